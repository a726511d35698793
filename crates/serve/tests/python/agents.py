"""The unmodified langgraph-sdk holds a conversation with `/agents`."""

import asyncio
import sys

from langgraph_sdk import get_client


async def main(url: str) -> None:
    client = get_client(url=url + "/agents")
    found = await client.assistants.search(graph_id="math")
    assert [a["graph_id"] for a in found] == ["math"], found
    graph = await client.assistants.get_graph(found[0]["assistant_id"])
    assert [n["id"] for n in graph["nodes"]] == ["inc", "dbl"], graph

    thread = await client.threads.create(metadata={"user": "u1"})
    chunks = []
    async for chunk in client.runs.stream(
        thread["thread_id"], "math", input={"n": 1}, stream_mode=["values", "updates"]
    ):
        chunks.append((chunk.event, chunk.data))
    assert chunks[0][0] == "metadata" and chunks[-1] == ("values", {"n": 4, "log": ["inc", "dbl"]}), chunks
    values = await client.runs.wait(thread["thread_id"], found[0]["assistant_id"], input={"n": 5})
    assert values["n"] == 12, values
    assert (await client.runs.wait(None, "math", input={"n": 5}))["n"] == 12
    state = await client.threads.get_state(thread["thread_id"])
    assert state["values"]["n"] == 12 and state["next"] == [], state
    history = await client.threads.get_history(thread["thread_id"])
    assert len(history) == 8, len(history)
    await client.threads.update_state(thread["thread_id"], {"n": 100}, as_node="inc")
    assert (await client.runs.wait(thread["thread_id"], "math"))["n"] == 200

    asked = await client.threads.create()
    stopped = await client.runs.wait(asked["thread_id"], "human", input={})
    assert stopped["__interrupt__"][0]["value"]["question"] == "ok?", stopped
    waiting = await client.threads.search(status="interrupted")
    assert [t["thread_id"] for t in waiting] == [asked["thread_id"]], waiting
    done = await client.runs.wait(asked["thread_id"], "human", command={"resume": "yes"})
    assert done["approved"] is True and done["log"][-1] == "fin", done

    run = await client.runs.create(asked["thread_id"], "forever", input={"x": 0})
    await client.runs.cancel(asked["thread_id"], run["run_id"], wait=True)
    assert (await client.runs.get(asked["thread_id"], run["run_id"]))["status"] == "interrupted"
    broken = await client.threads.create()
    try:
        await client.runs.wait(broken["thread_id"], "flaky", input={"x": 1})
    except Exception as error:  # the SDK's own class differs between its versions
        assert "bad input x=1" in str(error), error
    else:
        raise AssertionError("a failed run was not told as one")
    await client.threads.delete(asked["thread_id"])
    print("all is well")


asyncio.run(main(sys.argv[1]))
