//! When something that failed is tried again.

use lyceum_core::{Context, Error, Result};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What is tried again, how often and after how long.
#[derive(Clone)]
pub struct RetryPolicy {
    /// Wait before the second attempt.
    pub initial_interval: Duration,
    /// What each further wait is multiplied by.
    pub backoff_factor: f64,
    /// Longest wait.
    pub max_interval: Duration,
    /// Attempts in all.
    pub max_attempts: usize,
    /// Which errors; transient ones where nothing is said.
    pub retry_on: Option<Arc<dyn Fn(&Error) -> bool + Send + Sync>>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial_interval: Duration::from_millis(500),
            backoff_factor: 2.0,
            max_interval: Duration::from_secs(128),
            max_attempts: 3,
            retry_on: None,
        }
    }
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RetryPolicy({} attempts)", self.max_attempts)
    }
}

impl RetryPolicy {
    /// Waits before the attempt after `attempt` (from 1); gives the error back when there is none.
    pub(crate) async fn after(&self, attempt: usize, e: Error, cx: &Context) -> Result<()> {
        let again = self.retry_on.as_ref().map_or_else(|| e.is_transient(), |f| f(&e));
        if !again || attempt >= self.max_attempts {
            return Err(e);
        }
        let factor = self.backoff_factor.powi(i32::try_from(attempt - 1).unwrap_or(i32::MAX));
        let wait = (self.initial_interval.as_secs_f64() * factor).min(self.max_interval.as_secs_f64());
        cx.sleep(Duration::from_secs_f64(wait.max(0.0))).await
    }
}
