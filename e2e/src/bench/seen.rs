//! What is seen of the cluster while the load runs: one watch, and the time at which each thing was seen first.

use std::{
    collections::HashMap,
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use futures::{StreamExt, pin_mut};
use kube::{
    Api, Resource,
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;
use tokio::{sync::watch, task::JoinHandle};

/// What a watch has shown so far, by name. The watch ends when this is dropped.
#[derive(Debug)]
pub struct Seen<V> {
    values: Arc<Mutex<HashMap<String, V>>>,
    changed: watch::Receiver<()>,
    task: JoinHandle<()>,
}

impl<V: Clone + Send + 'static> Seen<V> {
    /// Watches; `note` writes down what is kept of an object.
    pub fn start<K>(api: Api<K>, note: impl Fn(&mut HashMap<String, V>, K) + Send + 'static) -> Self
    where
        K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
        K::DynamicType: Default + Clone + Debug + Eq + std::hash::Hash,
    {
        let values = Arc::new(Mutex::new(HashMap::new()));
        let (sender, changed) = watch::channel(());
        let kept = Arc::clone(&values);
        let task = tokio::spawn(async move {
            let objects = watcher(api, watcher::Config::default()).default_backoff().applied_objects();
            pin_mut!(objects);
            while let Some(object) = objects.next().await {
                match object {
                    Ok(object) => {
                        note(&mut kept.lock().unwrap_or_else(PoisonError::into_inner), object);
                        sender.send_replace(());
                    }
                    // The watch goes on by itself; what was missed comes with its next list.
                    Err(error) => eprintln!("  · a watch was interrupted: {error}"),
                }
            }
        });
        Self { values, changed, task }
    }

    /// Waits until `wanted` is true of every name, and returns what is kept of each.
    ///
    /// # Errors
    /// When it does not get true in time.
    pub async fn all(
        &self,
        names: &[String],
        patience: Duration,
        wanted: impl Fn(&V) -> bool,
    ) -> Result<Vec<V>> {
        let mut changed = self.changed.clone();
        // Names that were seen are not looked at again, so that thousands of leases stay cheap to wait for.
        let mut found = Vec::with_capacity(names.len());
        let limit = tokio::time::Instant::now() + patience;
        loop {
            {
                let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
                while let Some(value) =
                    names.get(found.len()).and_then(|name| values.get(name)).filter(|value| wanted(value))
                {
                    found.push(value.clone());
                }
            }
            let Some(missing) = names.get(found.len()) else { return Ok(found) };
            tokio::time::timeout_at(limit, changed.changed())
                .await
                .with_context(|| format!("{missing} and others did not get there within {patience:?}"))?
                .context("the watch ended")?;
        }
    }
}

impl<V> Drop for Seen<V> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
