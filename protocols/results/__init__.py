"""From responses to metrics: readouts, learning curves, statistics over seeds."""
