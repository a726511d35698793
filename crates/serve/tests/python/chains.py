"""The unmodified langserve client holds a conversation with `/chains`."""

import asyncio
import sys

import httpx
from langserve import RemoteRunnable


async def main(url: str) -> None:
    plus = RemoteRunnable(url + "/chains/plus")
    assert plus.invoke(1) == 2
    assert plus.batch([1, 2, 3]) == [2, 3, 4]
    assert plus.batch([1, 2], config=[{"tags": ["a"]}, {"tags": ["b"]}]) == [2, 3]
    assert list(plus.stream(4)) == [5]
    assert await plus.ainvoke(7) == 8
    assert await plus.abatch([1, 2]) == [2, 3]

    answer = RemoteRunnable(url + "/chains/qa")
    chunks = [chunk async for chunk in answer.astream({"question": "why"})]
    assert chunks == ["The", " ", "answer", " ", "is", " ", "42"], chunks
    documents = RemoteRunnable(url + "/chains/docs_of").invoke("cats")
    assert [d.page_content for d in documents] == ["about cats", "more"], documents
    assert (plus | RemoteRunnable(url + "/chains/par")).invoke(2) == {"y": 3, "x": 4}
    assert plus.get_input_schema is not None

    for wrong, status in [("notint", 422), ({"a": 1}, 422)]:
        try:
            plus.invoke(wrong)
        except httpx.HTTPStatusError as error:
            assert error.response.status_code == status and "valid integer" in str(error), error
        else:
            raise AssertionError(f"{wrong!r} was taken for an integer")
    try:
        list(RemoteRunnable(url + "/chains/boom").stream(1))
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == 500 and "secret" not in str(error), error
    else:
        raise AssertionError("a failure was not told")
    print("all is well")


asyncio.run(main(sys.argv[1]))
