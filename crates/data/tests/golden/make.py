"""Writes the columnar golden files and the CSV that they must read as. Needs pyarrow; run it in this folder."""
import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

D = dt.datetime
columns = {
    "i8": pa.array([1, -2, None, 127], pa.int8()),
    "u64": pa.array([1, 2**63 + 5, None, 0], pa.uint64()),
    "i64": pa.array([2**62, -5, None, 0], pa.int64()),
    "f32": pa.array([0.1, 2.0, None, -1e10], pa.float32()),
    "f64": pa.array([0.1, 2.5, None, float("nan")], pa.float64()),
    "flag": pa.array([True, False, None, True]),
    "text": pa.array(["a", 'é, "q"', None, "line\nbreak"]),
    "large": pa.array(["x", "y", None, "z"], pa.large_string()),
    "word": pa.array(["red", "blue", None, "red"]).dictionary_encode(),
    "code": pa.array([10, 20, None, 10], pa.int32()).dictionary_encode(),
    "day": pa.array([dt.date(2024, 2, 29), dt.date(1969, 12, 31), None, dt.date(1, 1, 1)], pa.date32()),
    "ms": pa.array([D(2024, 5, 1, 8), D(1960, 1, 1), None, D(2024, 5, 1, 8, 0, 0, 5000)], pa.timestamp("ms")),
    "us": pa.array([D(2024, 5, 1, 8), D(1960, 1, 1), None, D(2024, 5, 1)], pa.timestamp("us", "UTC")),
    "zone": pa.array([D(2024, 5, 1, 8), D(1960, 1, 1), None, D(2024, 5, 1)], pa.timestamp("us", "Europe/Berlin")),
    "time": pa.array([dt.time(8, 30), dt.time(0, 0, 1), None, dt.time(23, 59, 59, 500000)], pa.time64("us")),
    "price": pa.array([Decimal("1.50"), Decimal("-0.05"), None, Decimal("1000.00")], pa.decimal128(10, 2)),
    "none": pa.array([None] * 4, pa.null()),
    "__index_level_0__": pa.array([5, 7, 8, 9]),
}
table = pa.table(columns)
for codec in ("snappy", "zstd", "lz4", "gzip"):
    pq.write_table(table, f"types.{codec}.parquet", compression=codec)
pq.write_table(table, "types.v2.parquet", data_page_version="2.0", row_group_size=2, use_dictionary=False)
feather.write_feather(table, "types.arrow", compression="uncompressed", chunksize=3)
feather.write_feather(table, "types.lz4.feather", compression="lz4")
feather.write_feather(table, "types.zstd.arrow", compression="zstd")
feather.write_feather(pa.table({"x": pa.array([0.0] * 100_000)}), "zeros.zstd.arrow", compression="zstd", chunksize=50_000)
nested = pa.table({"x": [1.0, 2.0], "tags": [["a"], []]})
pq.write_table(nested, "nested.parquet")
feather.write_feather(nested, "nested.arrow", compression="uncompressed")
n = range(30_000)
numbers = pa.table({
    "y": pa.array([i % 2 for i in n], pa.int8()),
    "a": pa.array([None if i % 7 == 0 else (i * 37 % 101) / 8 for i in n], pa.float64()),
    "b": pa.array([i % 3 == 0 for i in n]),
})
pq.write_table(numbers, "numbers.parquet", compression="zstd", row_group_size=9_000)
feather.write_feather(numbers, "numbers.arrow", compression="zstd", chunksize=7_000)
with open("types.csv", "w", newline="") as out:
    out.write(
        "i8,u64,i64,f32,f64,flag,text,large,word,code,day,ms,us,zone,time,price,none\n"
        "1,1,4611686018427387904,0.1,0.1,true,a,x,red,10,2024-02-29,2024-05-01 08:00:00,"
        "2024-05-01 08:00:00+00:00,2024-05-01 08:00:00+00:00,08:30:00,1.50,\n"
        '-2,9223372036854775813,-5,2,2.5,false,"é, ""q""",y,blue,20,1969-12-31,1960-01-01 00:00:00,'
        "1960-01-01 00:00:00+00:00,1960-01-01 00:00:00+00:00,00:00:01,-0.05,\n"
        ",,,,,,,,,,,,,,,,\n"
        '127,0,0,-10000000000,,true,"line\nbreak",z,red,10,0001-01-01,2024-05-01 08:00:00.005,'
        "2024-05-01 00:00:00+00:00,2024-05-01 00:00:00+00:00,23:59:59.500,1000.00,\n"
    )
