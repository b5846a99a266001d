//! What is noted is written, sooner or later.

use telemetry::{CancellationToken, Registry};

use super::*;
use crate::metrics::Metrics;

fn series(file: PathBuf) -> (Series, Keeper, Metrics) {
    let metrics = Metrics::new(&Registry::new()).unwrap();
    let (series, keeper) = Series::new(Settings { file, retention: RETENTION }, metrics.clone());
    (series, keeper, metrics)
}

async fn shown(series: &Series) -> Vec<u64> {
    let shown = series.of(lease(1), SeriesQuery::default()).await.unwrap();
    shown.points.iter().map(|point| point.as_of - START).collect()
}

#[tokio::test]
async fn a_disk_that_fails_costs_no_more_than_what_was_seen_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let (series, mut keeper, _) = series(missing.join("series"));
    series.note(seen(lease(1), point(START, 1)));
    series.note(seen(lease(1), point(START + 300, 2)));
    assert!(matches!(keeper.write(Timestamp(START)).await, Err(Error::File(_))));
    assert!(matches!(series.of(lease(1), SeriesQuery::default()).await, Err(Error::NotOpen)));
    // An effect that was overtaken takes nothing back.
    series.note(seen(lease(1), point(START + 10, 1)));
    std::fs::create_dir(&missing).unwrap();
    keeper.write(Timestamp(START)).await.unwrap();
    assert_eq!(shown(&series).await, [300]);
    series.note(seen(lease(1), point(START + 600, 3)));
    keeper.write(Timestamp(START)).await.unwrap();
    assert_eq!(shown(&series).await, [300, 600]);
    assert_eq!(series.owners(lease(1)).await.unwrap(), Some(seen(lease(1), point(0, 0)).owners));
}

#[tokio::test]
async fn what_waits_when_the_process_ends_is_written_first() {
    let directory = tempfile::tempdir().unwrap();
    let (series, keeper, metrics) = series(directory.path().join("series"));
    let stop = CancellationToken::new();
    stop.cancel();
    let now = crate::clock::now().0;
    series.note(seen(lease(1), point(now, 1)));
    keeper.run(stop).await;
    let kept = series.of(lease(1), SeriesQuery::default()).await.unwrap();
    assert_eq!(kept.points, [UsageReport::from(&point(now, 1))]);
    assert_eq!(metrics.usage_series_writes.with_label_values(&["ok"]).get(), 1);
}

#[tokio::test]
async fn whoever_keeps_none_says_so() {
    let series = Series::none();
    series.note(seen(lease(1), point(START, 1)));
    assert!(matches!(series.of(lease(1), SeriesQuery::default()).await, Err(Error::NotKept)));
    assert!(matches!(series.owners(lease(1)).await, Err(Error::NotKept)));
}
