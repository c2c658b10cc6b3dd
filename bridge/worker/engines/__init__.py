"""Speech engines behind one interface (`base.Engine`), and the one place that knows them by name."""
