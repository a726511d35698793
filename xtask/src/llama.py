"""Speed of llama.cpp through its Python binding: arguments MODEL THREADS PROMPT TOKENS BATCHES; prints one JSON object.

A prompt is read in one call; then each of several sequences grows by one token a call, from its second token on."""

import ctypes
import json
import sys
import time

import llama_cpp

model_path, threads, prompt, tokens = sys.argv[1], *map(int, sys.argv[2:5])
batches = [int(n) for n in sys.argv[5].split(",") if n]
llama_cpp.llama_backend_init()
silence = llama_cpp.llama_log_callback(lambda *_: None)
llama_cpp.llama_log_set(silence, ctypes.c_void_p(0))
model = llama_cpp.llama_model_load_from_file(model_path.encode(), llama_cpp.llama_model_default_params())


def context(cells, sequences):
    settings = llama_cpp.llama_context_default_params()
    settings.n_ctx, settings.n_batch, settings.n_ubatch, settings.n_seq_max = cells, 2048, 512, sequences
    settings.n_threads = settings.n_threads_batch = threads
    return llama_cpp.llama_init_from_model(model, settings)


def step(ctx, rows):
    """One call for rows of (token, position, sequence, whether its logits are wanted)."""
    batch = llama_cpp.llama_batch_init(len(rows), 0, 1)
    batch.n_tokens = len(rows)
    for i, (token, position, sequence, wanted) in enumerate(rows):
        batch.token[i], batch.pos[i], batch.logits[i] = token, position, wanted
        batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
    if llama_cpp.llama_decode(ctx, batch) != 0:
        raise SystemExit("llama_decode failed")
    llama_cpp.llama_batch_free(batch)


def forget(ctx):
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(ctx), True)


result = {"prompt": 0.0, "decode": {}}
if prompt:
    ctx = context(prompt + 64, 1)
    for _ in range(3):
        forget(ctx)
        start = time.perf_counter()
        step(ctx, [(100 + 7 * i % 800, i, 0, i + 1 == prompt) for i in range(prompt)])
        result["prompt"] = max(result["prompt"], prompt / (time.perf_counter() - start))
    llama_cpp.llama_free(ctx)
for n in batches:
    ctx = context(n * (tokens + 64), n)
    step(ctx, [(100 + s, 0, s, 1) for s in range(n)])
    start = time.perf_counter()
    for i in range(1, tokens + 1):
        step(ctx, [(100 + (31 * s + i) % 800, i, s, 1) for s in range(n)])
    result["decode"][n] = n * tokens / (time.perf_counter() - start)
    llama_cpp.llama_free(ctx)
print(json.dumps(result))
