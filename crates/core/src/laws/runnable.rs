//! Laws of [`Runnable`]: streaming equals invoking, batch equals mapping, cancelled means stopped.

use super::law;
use crate::runnable::gather;
use crate::{Context, ErrorKind, Result, Runnable, Value};
use futures_util::stream::{self, StreamExt};

/// Checks a runnable on inputs that it takes. Its outputs must be a function of the input.
pub async fn runnable(r: &dyn Runnable, inputs: &[Value]) -> Result<()> {
    let cx = Context::new();
    law(!r.name().is_empty(), "a runnable has a name", String::new)?;
    let mut one_by_one = Vec::new();
    for input in inputs {
        let invoked = r.invoke(input.clone(), &cx).await?;
        let streamed = gather(r.transform(stream::iter([Ok(input.clone())]).boxed(), &cx)).await?;
        law(invoked == streamed, "streaming equals invoking", || format!("{invoked:?} and {streamed:?}"))?;
        one_by_one.push(invoked);
    }
    let batched: Result<Vec<Value>> = r.batch(inputs.to_vec(), &cx).await.into_iter().collect();
    let batched = batched?;
    law(batched == one_by_one, "batch equals mapping", || format!("{batched:?} and {one_by_one:?}"))?;
    if let Some(input) = inputs.first() {
        let stopped = Context::new();
        stopped.cancel();
        let kind = r.invoke(input.clone(), &stopped).await.map_err(|e| e.kind());
        law(kind == Err(ErrorKind::Cancelled), "cancelled means stopped", || format!("{kind:?}"))?;
    }
    Ok(())
}
