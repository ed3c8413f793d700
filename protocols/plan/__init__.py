"""From a protocol to plain tables: the timeline of presentations, the curriculum of images."""
