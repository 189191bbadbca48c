"""Turns lines of JSON into one Snappy Parquet file with DuckDB, and prints what that took as one JSON object.

The only argument is a JSON object: lines (the file), columns (name to type), threads, into (the Parquet file).
"""

import json
import resource
import sys
import time

import duckdb


def main():
    question = json.loads(sys.argv[1])
    connection = duckdb.connect(config={"threads": question["threads"]})
    columns = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in question["columns"].items())
    lines = f"read_json({quoted(question['lines'])}, format = 'newline_delimited', columns = {{{columns}}})"
    began, processor = time.perf_counter(), time.process_time()
    connection.execute(f"COPY (FROM {lines}) TO {quoted(question['into'])} (FORMAT parquet, COMPRESSION snappy)")
    seconds, processor_seconds = time.perf_counter() - began, time.process_time() - processor
    [rows] = connection.execute(f"SELECT count(*) FROM {quoted(question['into'])}").fetchone()
    memory_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"rows": rows, "seconds": seconds, "processor_seconds": processor_seconds, "memory_bytes": memory_bytes}))


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


main()
