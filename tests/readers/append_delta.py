"""Appends to one Delta table with python deltalake, one row (id, bytes) and one commit at a time.

Arguments: the table, the first id, the number of rows. `bytes` is 1.
"""

import sys

import deltalake
from arro3.core import Array, DataType, Table


def main():
    uri, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    for n in range(first, first + count):
        columns = {"id": Array([n], DataType.int64()), "bytes": Array([1], DataType.int64())}
        deltalake.write_deltalake(uri, Table.from_pydict(columns), mode="append")


main()
