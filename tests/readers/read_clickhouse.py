"""Reads one Delta table in a folder with ClickHouse (chdb), and prints what it sees as one JSON object.

Arguments: the folder, a column to count distinct values of, a column to add up.
"""

import json
import os
import sys

import chdb


def main():
    folder, distinct, total = sys.argv[1:]
    # ClickHouse opens files of the folder it stands in only.
    os.chdir(folder)
    table = f"deltaLakeLocal('{folder}')"
    # Without the setting it answers count() from the log, and does not read the table.
    [row] = rows(f"SELECT count(), count(DISTINCT `{distinct}`), sum(`{total}`) FROM {table} SETTINGS optimize_trivial_count_query = 0")
    count, different, added = [int(value) for value in row]
    columns = [column[0] for column in rows(f"DESCRIBE {table}")]
    print(json.dumps({"count": count, "distinct": different, "sum": added, "columns": columns}))


def rows(query):
    return json.loads(str(chdb.query(query, "JSONCompact")))["data"]


main()
