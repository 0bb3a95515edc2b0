"""Where the public names of the package live. Nothing is imported before it is asked for."""

HOMES: dict[str, str] = {
    # tasks
    "task": "asynctasq.tasks.function_task:task",
    "FunctionTask": "asynctasq.tasks.function_task:FunctionTask",
    "TaskFunction": "asynctasq.tasks.function_task:TaskFunction",
    "BaseTask": "asynctasq.tasks.base_task:BaseTask",
    "AsyncTask": "asynctasq.tasks.task_kinds:AsyncTask",
    "SyncTask": "asynctasq.tasks.task_kinds:SyncTask",
    "AsyncProcessTask": "asynctasq.tasks.task_kinds:AsyncProcessTask",
    "SyncProcessTask": "asynctasq.tasks.task_kinds:SyncProcessTask",
    "TaskConfig": "asynctasq.tasks.task_options:TaskConfig",
    "TaskHandle": "asynctasq.tasks.task_handle:TaskHandle",
    "TaskState": "asynctasq.contract.envelopes:TaskState",
    "CurrentTask": "asynctasq.tasks.current_task:CurrentTask",
    "current_task": "asynctasq.tasks.current_task:current_task",
    "current_task_or_none": "asynctasq.tasks.current_task:current_task_or_none",
    "dispatch_many": "asynctasq.tasks.bulk_dispatch:dispatch_many",
    # signals that a task may raise
    "RetryLater": "asynctasq.errors:RetryLater",
    "Discard": "asynctasq.errors:Discard",
    # errors
    **{
        name: f"asynctasq.errors:{name}"
        for name in (
            "AsyncTasqError",
            "AttemptsExhausted",
            "ConfigurationError",
            "DefinitionError",
            "DeserializationError",
            "DriverClosed",
            "DriverError",
            "DriverNotFound",
            "DriverUnavailable",
            "IncompatiblePlugin",
            "InvalidArgument",
            "LeaseLost",
            "PayloadTooLarge",
            "PluginConflict",
            "PluginInvalid",
            "PluginLoadFailed",
            "QueueFull",
            "ReservedParameterName",
            "ResultNotKept",
            "ResultNotReady",
            "ResultTooLarge",
            "RunningEventLoop",
            "SerializationError",
            "StorageMissing",
            "StorageTooNew",
            "TaskCancelled",
            "TaskError",
            "TaskFailed",
            "TaskTimedOut",
            "TransactionAborted",
            "UnknownOption",
            "UnknownTask",
        )
    },
    # the application
    "transaction": "asynctasq.app:transaction",
    "get_dispatcher": "asynctasq.app:get_dispatcher",
    "Dispatcher": "asynctasq.runtime.dispatcher:Dispatcher",
    "Worker": "asynctasq.runtime.worker:Worker",
    "DriverFactory": "asynctasq.plugins.driver_factory:DriverFactory",
    # configuration
    "Config": "asynctasq.config:Config",
    "TaskDefaultsConfig": "asynctasq.configuration.groups:TaskDefaultsConfig",
    "EventsConfig": "asynctasq.configuration.groups:EventsConfig",
    "ProcessPoolConfig": "asynctasq.configuration.groups:ProcessPoolConfig",
    "RepositoryConfig": "asynctasq.configuration.groups:RepositoryConfig",
    "WorkerConfig": "asynctasq.configuration.groups:WorkerConfig",
    # events
    "EventType": "asynctasq.contract.events:EventType",
    "TaskEvent": "asynctasq.contract.events:TaskEvent",
    "WorkerEvent": "asynctasq.contract.events:WorkerEvent",
    "EventSink": "asynctasq.contract.event_sink:EventSink",
    "EventEmitter": "asynctasq.monitoring.emitters:EventEmitter",
    "EventRegistry": "asynctasq.monitoring.emitters:EventRegistry",
    "LoggingEventEmitter": "asynctasq.monitoring.emitters:LoggingEventEmitter",
    "RedisEventEmitter": "asynctasq.monitoring.emitters:RedisEventEmitter",
    # monitoring
    "MonitoringService": "asynctasq.monitoring.service:MonitoringService",
    "QueueStats": "asynctasq.monitoring.models:QueueStats",
    "TaskInfo": "asynctasq.monitoring.models:TaskInfo",
    "TaskStatus": "asynctasq.monitoring.models:TaskStatus",
    "WorkerInfo": "asynctasq.monitoring.models:WorkerInfo",
    # the process pool
    "ProcessPoolManager": "asynctasq.runtime.process_pool_manager:ProcessPoolManager",
    "set_default_manager": "asynctasq.runtime.process_pool_manager:set_default_manager",
    # serializers
    "BaseSerializer": "asynctasq.contract.serializer:Serializer",
    "MsgspecSerializer": "asynctasq.serializers.msgpack_serializer:MsgpackSerializer",
    "AsyncTypeHook": "asynctasq.serializers.type_hooks:AsyncTypeHook",
    "TypeHook": "asynctasq.serializers.type_hooks:TypeHook",
    "HookRegistry": "asynctasq.serializers.type_hooks:HookRegistry",
    # the terminal
    "console": "asynctasq.terminal:console",
    "print": "rich:print",
    "Console": "rich.console:Console",
    "Table": "rich.table:Table",
    "Panel": "rich.panel:Panel",
    "Syntax": "rich.syntax:Syntax",
}
"""Public name -> module:attribute."""

NEEDS_EVENT_SINK: dict[str, str] = {"RedisEventEmitter": "redis"}
"""Public name -> the event sink without which it is of no use."""

REFUSED: dict[str, str] = {
    "SQSConfig": "there is no driver for SQS. Use another backend, or write a driver on asynctasq.driver_api",
    "RabbitMQConfig": "there is no driver for RabbitMQ. Use another backend, or write a driver on asynctasq.driver_api",
    "TaskExecutor": "the worker runs tasks by itself; see Worker",
    "TaskSerializer": "arguments are encoded by a Serializer; see MsgspecSerializer and TypeHook",
    "TaskRepository": "records come from TaskHandle.record(), MonitoringService and the driver's get_tasks",
    "LazyOrmProxy": "models arrive loaded; use the argument as it is",
    "SerializationPipeline": "the serializers do that themselves; register a TypeHook in a HookRegistry",
    "create_default_registry": "the built-in types need no hooks; use HookRegistry() for your own",
    "DatetimeHook": "datetime is built in; no hook is needed",
    "DateHook": "date is built in; no hook is needed",
    "DecimalHook": "Decimal is built in; no hook is needed",
    "UUIDHook": "UUID is built in; no hook is needed",
    "SetHook": "set is built in; no hook is needed",
}
"""Names of the older package that have no meaning here -> what to do instead."""
