"""pyarrow asks for predictions: streams and files, plain and compressed, and reads what is answered."""
import io
import sys
import urllib.error
import urllib.request

import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc

url = sys.argv[1] + "/predict/double"
STREAM, FILE = "application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file"


def stream(table, **options):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
        out.write_table(table, max_chunksize=2)
    return sink.getvalue()


def file(table, **options):
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
        out.write_table(table, max_chunksize=2)
    return sink.getvalue()


def ask(body, kind, accept):
    request = urllib.request.Request(url, body, {"Content-Type": kind, "Accept": accept})
    with urllib.request.urlopen(request) as answer:
        return answer.headers["Content-Type"], answer.read()


table = pa.table({"x": [1.0, 2.5, -3.0, 4.0, 0.5], "word": pa.array(["a", "b", None, "a", "b"]).dictionary_encode()})
want = [2.0, 5.0, -6.0, 8.0, 1.0]
for compression in (None, "lz4", "zstd"):
    for kind, body in ((STREAM, stream(table, compression=compression)), (FILE, file(table, compression=compression))):
        given, answer = ask(body, kind, STREAM)
        assert given == STREAM, given
        assert pa.ipc.open_stream(answer).read_all()["y"].to_pylist() == want, (compression, kind)
        given, answer = ask(body, kind, FILE)
        assert given == FILE, given
        assert pa.ipc.open_file(answer).read_all()["y"].to_pylist() == want, (compression, kind)
whole = pa.table({"x": pa.array([1, 2], pa.int32())})
assert ask(stream(whole), STREAM, "text/csv")[1].split() == [b"y", b"2", b"4"]

for bad, words in (
    (stream(table)[:-40], "middle of a message"),
    (b"nothing of the kind", "Arrow"),
    (stream(pa.table({"x": [[1.0]]})), 'column \\"x\\"'),
):
    try:
        ask(bad, STREAM, STREAM)
        raise AssertionError(words)
    except urllib.error.HTTPError as e:
        text = e.read().decode()
        assert 400 <= e.code < 500 and words in text, (e.code, text)
print("all is well")
