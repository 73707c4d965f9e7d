namespace EfEnvelope.Cli;

// What '--help' says.
internal static partial class CliMessages
{
    public static string Description()
        => "Keys, online jobs and stored values of a database whose columns EfEnvelope encrypts. Whatever changes rows or keys shows its plan and needs --execute.";

    public static string ConfigOption() => $"The configuration file. Default: '{Configuration.ConfigurationFile.Name}' in the working directory, if it is there and was confirmed by '{Tool} trust'.";

    public static string ProviderOption() => "The kind of database: sqlite, postgresql or sqlserver.";

    public static string ConnectionOption() => $"The connection string, if it has no password; otherwise use {Variable("connection")} or the configuration file.";

    public static string ConnectionNameOption() => "Which of the configuration file's 'connections' to use.";

    public static string SchemaOption() => "The schema of the '__Envelope…' tables, if it is not the database's own default.";

    public static string ScopeOption() => "The key scope. Default: the only one there is.";

    public static string EngineOption() => "What encrypts: platform, or sodium, which stores the same bytes in less time. Default: platform.";

    public static string KmsOption()
        => "The kind of KMS: local, aws, azure, google, oci, vault, pkcs11 or recovery. Default: by the KEK, else local. Its settings "
            + "are under 'kms' in the configuration file, or in "
            + $"variables such as {KmsVariable("endpoint")}; for vault also VAULT_ADDR, VAULT_NAMESPACE, VAULT_CACERT and VAULT_CAPATH.";

    public static string KekOption() => "The KEK that wraps, such as local:clinic or aws-kms:alias/clinic.";

    public static string KmsFileOption() => "The file of the local KMS.";

    public static string KmsKeyFileOption() => "The key file that opens the local KMS.";

    public static string JsonOption() => "Write one JSON document to stdout.";

    public static string ProgressOption() => "How progress is shown on stderr: auto, plain, json or none.";

    public static string ExecuteOption() => "Do it. Without this, only the plan is shown.";

    public static string ScopeArgument() => "The key scope. Default: the only one there is.";

    public static string VersionArgument() => "The key version, such as clinic:v1.";

    public static string StatusCommand() => "Shows keys and their wrapped copies, what every column holds by key version, and jobs that have not ended. Reads every row; contacts no KMS.";

    public static string KeysCommand() => "Lists, makes, rewraps, disables, retires, destroys and shreds key versions. No row changes.";

    public static string KeysListCommand() => "Lists key versions.";

    public static string KeysCreateCommand() => "Makes the first key version of a scope, and the tables of EfEnvelope if they are missing.";

    public static string KeysRotateCommand() => "Makes a new key version, which encrypts after the activation delay.";

    public static string KeysRewrapCommand() => "Wraps every version of a scope, or of all, anew, under the KEKs that are configured now.";

    public static string KeysDisableCommand() => "Disables a version: what it encrypted cannot be read until it is enabled again.";

    public static string KeysEnableCommand() => "Enables a version again.";

    public static string KeysRetireCommand() => "Proves that nothing refers to a version, and retires it.";

    public static string KeysDestroyCommand() => "Destroys a retired version for good.";

    public static string IncludeSearchOption() => "Also move what is compared: blind indexes and deterministic values.";

    public static string ActivationDelayOption() => "How long other instances have to load the version before it encrypts, such as 2h. Default: as configured, else 2 hours.";

    public static string ConfirmOption() => "The version's name once more.";

    public static string WaitingPeriodOption() => "How long ago the version must have been retired, such as 7d. Default: 7 days.";

    public static string ReencryptCommand() => "Rewrites what is under an older key version under the present one, in every table of the scope or in one.";

    public static string ReindexCommand() => "Rewrites blind indexes and deterministic values only, and fills blind indexes that are missing.";

    public static string BackfillCommand() => "Encrypts plaintext: in its own text column, or into another column.";

    public static string DecryptCommand() => "Decrypts: in its own text column, or into another column.";

    public static string TableOption() => "One table: Table or schema.Table.";

    public static string ColumnOption() => "One column of the table; may be given several times. Default: all that are encrypted.";

    public static string ColumnArgument() => "The column: Table.Column or schema.Table.Column. Several of one table are done in one pass.";

    public static string IntoOption() => "The column of the same table that the result is written into. Default: the column itself.";

    public static string ModeOption() => "randomized or deterministic.";

    public static string ContextOption() => "The stable name that values are bound to. Default: as it was, or Table.Column for a new column.";

    public static string TypeOption() => "The plaintext's type for a new column: string, int32, date, … Default: string.";

    public static string RowsPerSecondOption() => "At most so many rows in a second, for each worker.";

    public static string DutyCycleOption() => "Which part of the time a worker may be at the database, such as 0.5.";

    public static string MaxLatencyOption() => "Back off when a batch takes longer, such as 200ms or 1s.";

    public static string WindowOption() => "Work between these times of day only, in UTC, such as 22:00-06:00.";

    public static string WorkersOption() => "How many workers run side by side. Default: 1.";

    public static string BatchSizeOption() => "How many rows are written in one transaction, 1 to 500.";

    public static string RangeSizeOption() => "How many rows a range has, the unit that workers share. Default: 50000.";

    public static string NoWaitOption() => "Return when a job is paused or waits for its time, with exit code 3.";

    public static string EnqueueOnlyOption() => "Only store the job, for the application's hosted service or 'jobs run'.";

    public static string JobsCommand() => "Lists, shows, steers and runs stored jobs.";

    public static string JobsListCommand() => "Lists jobs, the newest first.";

    public static string JobsShowCommand() => "Shows a job, and the rows that it could not convert.";

    public static string JobsRunCommand() => "Goes on with stored jobs.";

    public static string JobsPauseCommand() => "Pauses a job; its workers stop before their next batch.";

    public static string JobsResumeCommand() => "Lets a paused or failed job go on.";

    public static string JobsCancelCommand() => "Ends a job. What it wrote stays.";

    public static string JobsThrottleCommand() => "Changes a job's throttle, while it runs or not. What is not given stays; 'none' takes a part off.";

    public static string JobArgument() => "The job's number.";

    public static string JobsArgument() => "The jobs' numbers. Default: all that have not ended.";

    public static string ActiveOption() => "Only jobs that have not ended.";

    public static string FindingsOption() => "How many rows that could not be converted to list. Default: 100.";

    public static string VerifyCommand() => "Opens every value and computes every blind index anew. Writes nothing.";

    public static string InspectCommand() => "Explains one envelope. Needs neither a key nor a database.";

    public static string ValueArgument() => "The stored value: efenvelope:v1:…, hexadecimal or Base64; '-' reads it from stdin.";

    public static string SuggestOption() => "Names columns, too, that are not encrypted and whose name or content looks like personal data. It reads some values of each, and shows none.";

    public static string TrustCommand() => $"Confirms '{Configuration.ConfigurationFile.Name}' in the working directory as it is now, so that the connection and the KMS in it count.";

    public static string DoctorCommand() => "Finds what is wrong or will become so: columns, indexes, rows outside the format, keys, budgets and KEKs.";
}
