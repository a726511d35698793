"""A conversation of the unmodified openai and lorax-client packages with a running Lyceum server.

usage: conversation.py URL MODEL [--adapter NAME] [--embedder MODEL] [--key KEY]
"""
import argparse
import asyncio

import openai
from lorax import AsyncClient, Client
from lorax.errors import ValidationError

p = argparse.ArgumentParser()
p.add_argument("url")
p.add_argument("model")
p.add_argument("--adapter")
p.add_argument("--embedder")
p.add_argument("--key", default="none")
a = p.parse_args()
hello = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello."}]
api = openai.OpenAI(base_url=a.url + "/v1", api_key=a.key, max_retries=0)


def fails(kind, call):
    try:
        call()
    except kind as e:
        return e
    raise AssertionError(f"{kind.__name__} was expected")


def openai_chat():
    r = api.chat.completions.create(model=a.model, messages=hello, max_tokens=8, temperature=0)
    assert r.choices[0].message.content and r.choices[0].finish_reason in ("stop", "length")
    assert r.usage.total_tokens == r.usage.prompt_tokens + r.usage.completion_tokens
    again = api.chat.completions.create(model=a.model, messages=hello, max_tokens=8, temperature=0)
    assert again.choices[0].message.content == r.choices[0].message.content, "greedy is the same twice"

    stream = api.chat.completions.create(
        model=a.model, messages=hello, max_tokens=8, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == r.choices[0].message.content, (text, r.choices[0].message.content)
    assert chunks[-1].usage.completion_tokens == r.usage.completion_tokens and not chunks[-1].choices

    r = api.chat.completions.create(
        model=a.model, messages=hello, max_completion_tokens=4, n=2, logprobs=True, top_logprobs=3, seed=5,
        temperature=0.8, top_p=0.9, stop=["###"], extra_body={"top_k": 40, "min_p": 0.05, "repetition_penalty": 1.1},
    )
    assert len(r.choices) == 2
    for entry in r.choices[0].logprobs.content:
        assert entry.logprob <= 0 and len(entry.top_logprobs) == 3

    e = fails(openai.NotFoundError, lambda: api.chat.completions.create(model="missing", messages=hello))
    assert e.code == "model_not_found" and e.param == "model" and a.model in e.message
    e = fails(openai.BadRequestError, lambda: api.chat.completions.create(model=a.model, messages=hello, max_tokens=-2))
    assert e.param == "max_tokens"
    e = fails(openai.BadRequestError, lambda: api.chat.completions.create(model=a.model, messages=hello, temperature=-1))
    assert e.param == "temperature"
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    e = fails(openai.BadRequestError, lambda: api.chat.completions.create(model=a.model, messages=hello, tools=[tool]))
    assert e.code == "unsupported_parameter"


def openai_rest():
    names = [m.id for m in api.models.list()]
    assert a.model in names and api.models.retrieve(a.model).id == a.model
    r = api.completions.create(model=a.model, prompt="One two", max_tokens=3, echo=True, logprobs=1, temperature=0)
    assert r.choices[0].text.startswith("One two") and r.choices[0].logprobs.token_logprobs[0] is None
    ids = api.completions.create(model=a.model, prompt=[65, 66, 67], max_tokens=2, temperature=0)
    assert ids.usage.prompt_tokens == 3
    text = "".join(c.choices[0].text for c in api.completions.create(model=a.model, prompt="One", max_tokens=3, stream=True))
    assert text
    if a.embedder:
        both = api.embeddings.create(model=a.embedder, input=["a cat", "a dog"])
        plain = api.embeddings.create(model=a.embedder, input="a cat", encoding_format="float")
        assert len(both.data) == 2 and len(both.data[0].embedding) == len(plain.data[0].embedding)
        assert max(abs(x - y) for x, y in zip(both.data[0].embedding, plain.data[0].embedding)) < 1e-6
    if a.adapter:
        r = api.chat.completions.create(model=a.adapter, messages=hello, max_tokens=4, temperature=0)
        assert r.model == a.adapter and a.adapter in names


def lorax():
    headers = {"Authorization": f"Bearer {a.key}"}
    client = Client(a.url, headers=headers)
    r = client.generate("One two three", max_new_tokens=4)
    assert r.generated_text and r.details.generated_tokens <= 4 and r.details.tokens
    events = list(client.generate_stream("One two three", max_new_tokens=4))
    assert events[-1].generated_text == r.generated_text, (events[-1].generated_text, r.generated_text)
    assert events[-1].details.generated_tokens == r.details.generated_tokens
    r = client.generate(
        "One two three", max_new_tokens=3, do_sample=True, temperature=0.7, top_k=5, top_p=0.9, seed=42,
        repetition_penalty=1.1, return_full_text=True, stop_sequences=["###"], decoder_input_details=True,
    )
    assert r.generated_text.startswith("One two three") and r.details.prefill and r.details.seed == 42
    r = client.generate("One two", max_new_tokens=3, do_sample=True, best_of=2)
    assert len(r.details.best_of_sequences) == 1
    fails(ValidationError, lambda: client.generate("One", max_new_tokens=10**6))
    if a.adapter:
        assert client.generate("One", adapter_id=a.adapter, max_new_tokens=2).generated_text
    if a.embedder:
        assert client.embed("a cat").embeddings

    async def later():
        other = AsyncClient(a.url, headers=headers)
        whole = await other.generate("One two three", max_new_tokens=4)
        parts = [e async for e in other.generate_stream("One two three", max_new_tokens=4)]
        assert parts[-1].generated_text == whole.generated_text

    asyncio.run(later())


for part in (openai_chat, openai_rest, lorax):
    part()
    print(part.__name__, "ok")
print("all is well")
