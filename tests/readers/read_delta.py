"""Reads one Delta table with other people's readers, and prints what each of them sees as one JSON object.

The only argument is a JSON object: uri, distinct (a column to count distinct values of), sum (a column to add up), and for S3
endpoint (host:port), region, key, secret. With versions (a list) each reader tells of each of them: {"Ok": what it sees} or {"Err": why
it sees nothing}.
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
    readers = {"deltalake": with_deltalake(question), "duckdb": with_duckdb(question)}
    if "versions" in question:
        print(json.dumps({name: [outcome(read, version) for version in question["versions"]] for name, read in readers.items()}))
    else:
        print(json.dumps({name: read(None) for name, read in readers.items()}))


def outcome(read, version):
    try:
        return {"Ok": read(version)}
    except Exception as error:
        return {"Err": str(error)}


def aggregates(question):
    return f'SELECT count(*) AS n, count(DISTINCT "{question["distinct"]}") AS d, sum("{question["sum"]}") AS s FROM'


def with_deltalake(question):
    def read(version):
        table = deltalake.DeltaTable(question["uri"], version=version, storage_options=storage_options(question))
        reader = deltalake.QueryBuilder().register("t", table).execute(f"{aggregates(question)} t")
        [batch] = [batch for batch in reader if batch.num_rows]
        count, distinct, total = [batch.column(i)[0].as_py() for i in range(3)]
        return reading(count, distinct, total, [(field.name, field.type.type) for field in table.schema().fields])

    return read


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

    def read(version):
        table = f"delta_scan('{question['uri']}')" if version is None else f"delta_scan('{question['uri']}', version = {version})"
        count, distinct, total = connection.execute(f"{aggregates(question)} {table}").fetchone()
        columns = [row[:2] for row in connection.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()]
        return reading(count, distinct, total, columns)

    return read


def extension_file(package, name):
    folder = os.path.join(os.path.dirname(package.__file__), "extensions", "v" + duckdb.__version__)
    return os.path.join(folder, name + ".duckdb_extension")


def reading(count, distinct, total, columns):
    names, types = [name for name, _ in columns], [type for _, type in columns]
    return {"count": count, "distinct": distinct, "sum": int(total or 0), "columns": names, "types": types}


main()
