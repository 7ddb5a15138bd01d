"""What a run would ask, take and cost, found out by rehearsing its own stages without sending anything."""
