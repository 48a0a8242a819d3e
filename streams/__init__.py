"""The shell around the core: Kafka, Faust, files, the command line. For applications: `Publisher`, `AlertSubscriber`, `ModelWatcher`."""
