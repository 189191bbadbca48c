"""Reads one Delta table in a folder with ClickHouse (chdb), and prints what it sees as JSON.

Arguments: the folder, a column to count distinct values of, a column to add up, and versions. Without versions it prints one object of
the newest; with them a list that tells of each: {"Ok": what it sees} or {"Err": why it sees nothing}.
"""

import json
import os
import sys

import chdb

# A version is asked for by a setting; this is the newest.
NEWEST = -1


def main():
    folder, distinct, total, *versions = sys.argv[1:]
    # ClickHouse opens files of the folder it stands in only.
    os.chdir(folder)
    table = f"deltaLakeLocal('{folder}')"
    if versions:
        print(json.dumps([outcome(table, distinct, total, version) for version in versions]))
    else:
        print(json.dumps(reading(table, distinct, total, NEWEST)))


def outcome(table, distinct, total, version):
    try:
        return {"Ok": reading(table, distinct, total, version)}
    except Exception as error:
        return {"Err": str(error)}


def reading(table, distinct, total, version):
    settings = f"SETTINGS delta_lake_snapshot_version = {version}"
    # Without the other setting it answers count() from the log, and does not read the table.
    aggregates = f"count(), count(DISTINCT `{distinct}`), sum(`{total}`)"
    [row] = rows(f"SELECT {aggregates} FROM {table} {settings}, optimize_trivial_count_query = 0")
    count, different, added = [int(value or 0) for value in row]
    columns = rows(f"DESCRIBE {table} {settings}")
    names, types = [column[0] for column in columns], [column[1] for column in columns]
    return {"count": count, "distinct": different, "sum": added, "columns": names, "types": types}


def rows(query):
    return json.loads(str(chdb.query(query, "JSONCompact")))["data"]


main()
