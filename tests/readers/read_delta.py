"""Reads one Delta table with other people's readers, and prints what each of them sees as one JSON object.

The only argument is a JSON object: uri, distinct (a column to count distinct values of), sum (a column to add up), and for S3
endpoint (host:port), region, key, secret.
"""

import json
import os
import sys

import deltalake
import duckdb
import duckdb_extension_delta
import duckdb_extension_httpfs


def main():
    question = json.loads(sys.argv[1])
    print(json.dumps({"deltalake": with_deltalake(question), "duckdb": with_duckdb(question)}))


def aggregates(question):
    return f'SELECT count(*) AS n, count(DISTINCT "{question["distinct"]}") AS d, sum("{question["sum"]}") AS s FROM'


def with_deltalake(question):
    table = deltalake.DeltaTable(question["uri"], storage_options=storage_options(question))
    reader = deltalake.QueryBuilder().register("t", table).execute(f"{aggregates(question)} t")
    [batch] = [batch for batch in reader if batch.num_rows]
    count, distinct, total = [batch.column(i)[0].as_py() for i in range(3)]
    return reading(count, distinct, total, [field.name for field in table.schema().fields])


def storage_options(question):
    if "endpoint" not in question:
        return None
    return {
        "AWS_ENDPOINT_URL": "http://" + question["endpoint"],
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": question["region"],
        "AWS_ACCESS_KEY_ID": question["key"],
        "AWS_SECRET_ACCESS_KEY": question["secret"],
    }


def with_duckdb(question):
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{extension_file(duckdb_extension_httpfs, 'httpfs')}'")
    connection.execute(f"LOAD '{extension_file(duckdb_extension_delta, 'delta')}'")
    if "endpoint" in question:
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{question['key']}', SECRET '{question['secret']}', REGION '{question['region']}',"
            f" ENDPOINT '{question['endpoint']}', USE_SSL false, URL_STYLE 'path')"
        )
    table = f"delta_scan('{question['uri']}')"
    count, distinct, total = connection.execute(f"{aggregates(question)} {table}").fetchone()
    columns = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()]
    return reading(count, distinct, total, columns)


def extension_file(package, name):
    folder = os.path.join(os.path.dirname(package.__file__), "extensions", "v" + duckdb.__version__)
    return os.path.join(folder, name + ".duckdb_extension")


def reading(count, distinct, total, columns):
    return {"count": count, "distinct": distinct, "sum": int(total or 0), "columns": columns}


main()
