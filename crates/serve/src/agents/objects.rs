//! The protocol's objects: assistants, threads, runs, states.

use super::Agent;
use super::log::RunLog;
use crate::flat;
use lyceum_compose::graph::{Interrupt, Snapshot, SnapshotTask};
use lyceum_core::{ThreadInfo, Value};
use lyceum_store::clock;
use serde_json::{Value as Json, json};
use sha1::{Digest, Sha1};
use std::time::SystemTime;

/// Namespace of assistants' ids, RFC 9562 version 5: the same graph has the same id on every server.
const GRAPHS: u128 = 0x6ba7_b821_9dad_11d1_80b4_00c0_4fd4_30c8;

/// The id of a graph's default assistant.
pub(crate) fn assistant_id(graph: &str) -> String {
    let digest = Sha1::new().chain_update(GRAPHS.to_be_bytes()).chain_update(graph).finalize();
    let bytes = digest.iter().take(16).fold(0u128, |id, b| id << 8 | u128::from(*b));
    let id = bytes & !(0xf << 76) & !(0x3 << 62) | 5 << 76 | 2 << 62;
    crate::state::uuid(id)
}

/// A time as the protocol writes it.
pub(super) fn time(at: SystemTime) -> String {
    clock::micros(at)
}

pub(super) fn assistant(name: &str, agent: &Agent, since: i64) -> Json {
    let made = clock::rfc3339(since);
    json!({
        "assistant_id": assistant_id(name), "graph_id": name, "config": {}, "context": {},
        "metadata": { "created_by": "system" }, "name": name, "description": agent.description,
        "created_at": made, "updated_at": made, "version": 1,
    })
}

pub(super) fn thread(info: &ThreadInfo, state: Option<&Snapshot>) -> Json {
    let mut metadata = info.metadata.clone();
    if !info.graph.is_empty() {
        metadata.insert("graph_id".into(), Value::Str(info.graph.clone()));
        metadata.insert("assistant_id".into(), assistant_id(&info.graph).into());
    }
    let metadata = flat::to_json(&Value::from(metadata));
    let asks = |t: &SnapshotTask| (t.id.to_string(), interrupts(&t.interrupts));
    let waiting: serde_json::Map<String, Json> = state
        .map(|s| s.tasks.iter().filter(|t| !t.interrupts.is_empty()).map(asks).collect())
        .unwrap_or_default();
    let error = info.error.as_ref().map(|e| json!({ "error": "Error", "message": e }));
    json!({
        "thread_id": &*info.thread, "created_at": time(info.created), "updated_at": time(info.updated),
        "state_updated_at": time(info.updated), "metadata": metadata, "status": info.status.as_str(),
        "config": {}, "values": state.map(|s| flat::to_json(&s.values)), "error": error, "interrupts": waiting,
    })
}

pub(super) fn interrupts(all: &[Interrupt]) -> Json {
    all.iter().map(|i| json!({ "id": i.id, "value": flat::to_json(&i.value) })).collect()
}

pub(super) fn state(thread: &str, s: &Snapshot) -> Json {
    let task = |t: &SnapshotTask| {
        json!({
            "id": &*t.id, "name": &*t.node, "path": ["__pregel_pull", &*t.node], "error": t.error,
            "interrupts": interrupts(&t.interrupts), "checkpoint": null, "state": null, "result": null,
        })
    };
    let next: Vec<&str> = s.next.iter().map(|n| &**n).collect();
    let place = |id: &str| json!({ "checkpoint_id": id, "thread_id": thread, "checkpoint_ns": "" });
    json!({
        "values": flat::to_json(&s.values), "next": next, "tasks": s.tasks.iter().map(task).collect::<Json>(),
        "metadata": { "source": s.source.as_str(), "step": s.step, "parents": {}, "thread_id": thread },
        "created_at": time(s.created), "checkpoint": place(&s.checkpoint),
        "parent_checkpoint": s.parent.as_ref().map(|p| place(p)), "interrupts": interrupts(&s.interrupts()),
        "checkpoint_id": &*s.checkpoint, "parent_checkpoint_id": s.parent.as_deref(),
    })
}

pub(super) fn run(run: &RunLog) -> Json {
    json!({
        "run_id": run.id, "thread_id": run.thread.as_deref(), "assistant_id": assistant_id(&run.agent),
        "metadata": { "graph_id": run.agent, "created_by": "system" }, "status": run.status().as_str(),
        "kwargs": {}, "multitask_strategy": "enqueue", "created_at": time(run.created),
        "updated_at": time(run.updated()),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_assistants_id_is_its_graphs_uuid_of_version_5() {
        // Python: uuid.uuid5(uuid.UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8"), "agent")
        assert_eq!(super::assistant_id("agent"), "fe096781-5601-53d2-b2f6-0d3403f7e9ca");
    }
}
