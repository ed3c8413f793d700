"""From responses to metrics: readouts, learning curves, statistics over seeds; ``frame`` reads them into pandas."""

from protocols.results.tidy import frame as frame
