using EfEnvelope.Keys;

namespace EfEnvelope.Rotation;

// Every text a user can meet, in one place and in three beats: what, whose, how to mend. Never a value, never key bytes.
internal static class RotationMessages
{
    public static string ThrottleOutOfRange(string name, string range) => $"The throttle's '{name}' is out of range. Give {range}.";

    public static string OutOfRange(string name, string range) => $"'{name}' is out of range. Give {range}.";

    public static string NoProvider() => "No database provider is configured. Call one, such as 'UseNpgsql(…)', and then 'UseEnvelopeEncryption(…)'.";

    public static string NoEncryption() => "No KMS is configured for this database. Call 'UseEnvelopeEncryption(…)' after the provider.";

    public static string UnknownProvider(string? provider)
        => $"The database provider '{provider}' is not supported by jobs. Use SQLite, Npgsql (PostgreSQL) or SQL Server.";

    public static string DatabaseUnreachable()
        => "The database could not be reached. Nothing was changed by this call. See the inner exception, and check the connection string and the server.";

    public static string DatabaseRefusedCommand(string code)
        => $"The database refused the command ({code}). What it had not committed was not changed. See the inner exception, and check the rights of the user that connects.";

    public static string ConnectionNotShareable()
        => "The database is given as one open connection, which workers cannot share. Configure a connection string or a data source.";

    public static string PrivateDatabase()
        => "The SQLite database lives in the memory of one connection, so no other connection can see it. Use a file, or a shared in-memory database.";

    public static string TableMissing(string table)
        => $"There is no table '{table}' in this database. Check its name, its schema, and that this is the right database; names are compared letter by letter.";

    public static string TableSpelledOtherwise(string table, string known)
        => $"Table '{table}' is called '{known}' in the encryption map, which compares names letter by letter. Nothing was changed. Use "
            + $"that name.";

    public static string ColumnMissing(string table, string column) => $"Table '{table}' has no column '{column}'. Check its name, which is compared letter by letter, and the encryption map.";

    public static string NoPrimaryKey(string table) => $"Table '{table}' has no primary key, so its rows cannot be told apart while they change. Add one, and retry.";

    public static string NullInPrimaryKey(string table) => $"Table '{table}' has rows whose primary key holds null, which a job would miss. Give them a key, and retry.";

    public static string KeyTypeNotSupported(string? type) => $"A primary key holds a value of type '{type}', which cannot be kept in a checkpoint. Report the type of the column.";

    public static string KeyNotExact(string table)
        => $"A primary key of '{table}' does not come back as it is stored: it holds a NUL or bytes that are not UTF-8, or it is "
            + $"rounded on its way. Give the row another key, and resume the job.";

    public static string TableTaken(string table, string job)
        => $"Job {job} works on table '{table}' already, and two would undo each other. Wait for it, or cancel it: 'efenvelope jobs show {job}'.";

    public static string ColumnNotEncrypted(string table, string column, IEnumerable<string> known)
        => $"'{table}.{column}' is no encrypted column of the encryption map; {List(known)}. Check its name, or backfill it first.";

    public static string ColumnNeeded(JobKind kind) => $"A job of kind '{kind}' needs the columns that it works on. Name them.";

    public static string ColumnIsKey(string column) => $"'{column}' is part of the primary key, by which rows are found, so it cannot be encrypted. Encrypt another column.";

    public static string ColumnHoldsHashes(string column) => $"'{column}' holds what is compared, not values. Name the column that holds the values.";

    public static string ColumnPads(string column, string type) => $"'{column}' is '{type}', which pads what it holds, so that values do not come back as they went. Change its type to text first.";

    public static string IntoNeedsOneColumn() => "Another column can be written into from one column of the same table only. Name one, and another one with 'Into'.";

    public static string ContextNeedsInto()
        => "The stable name of a column cannot be changed in place: readers know one name, and no header tells which. Write into another column ('Into', in the tool '--into').";

    public static string ModeNeedsOneColumn() => "Another mode is given to one column at a time. Name the column.";

    public static string ModeWarning(string column, EncryptionMode mode)
        => $"'{column}' becomes {mode.ToString().ToLowerInvariant()}. Every application reads both; run the job again when all of them write the new mode, before queries rely on it.";

    public static string NotText(string column, JobKind kind)
        => $"'{column}' holds no text, so plaintexts and envelopes could not be told apart in it. Write into another column: 'Into', in the tool '--into'.";

    public static string TextHoldsStrings(string column) => $"'{column}' is text, so in place its values are of type 'string'. Leave the type out, or write into another column ('Into', in the tool '--into').";

    public static string UniqueInPlace(string column)
        => $"'{column}' is under a unique index, which cannot see that a plaintext and its envelope are equal. Leave it as it is and write into a new column ('Into', in the tool '--into') that has a unique blind index.";

    public static string IndexBecomesUseless(string column) => $"'{column}' is indexed; random envelopes are never equal, so the index will be of no use.";

    public static string IndexInTheWay(string column, string type, string index)
        => $"'{column}' would become '{type}' to hold envelopes, which no index can compare, and the index '{index}' has it in its key. "
            + $"Drop the index, then plan the job again; or encrypt into another column ('Into', in the tool '--into'), with a blind "
            + $"index if it is searched.";

    public static string CompatibilityLevelTooLow(int level, int needed)
        => FormattableString.Invariant($"The database has compatibility level {level}, and jobs need {needed} or more, because they write rows by OPENJSON. Nothing was changed. Raise it: 'ALTER DATABASE CURRENT SET COMPATIBILITY_LEVEL = {needed}'.");

    public static string WaitsForLocks() => "another transaction holds locks for longer than a statement may wait, or a statement takes "
        + "that long; it is tried again";

    public static string StatementOverdue()
        => "The database did not finish a statement in time: another transaction holds locks that it needs, or it takes longer than the "
            + "command time-out. Nothing was changed by this call. Retry when that transaction has ended, or raise the time-out "
            + "('Command Timeout' in the connection string).";

    public static string BackfillWarning(string column)
        => $"Until the job has ended, and for as long as an application writes '{column}' in clear text, every reader has to take both forms: 'AllowPlaintextWhileBackfilling()'.";

    public static string CheckRefusesPlaintext(string column)
        => $"'{column}' has a CHECK constraint, which refuses plaintext, so no row could be decrypted in place. Call 'StorePlaintextDuringTransition()' on the property, add a migration, which drops the constraint, and deploy it first; or decrypt into another column ('--into').";

    public static string DecryptWarning(string column)
        => $"Plaintext will be stored in '{column}'. The job goes on until no application encrypts it any more; every reader has to take both forms till then.";

    public static string MapSaysOtherwise(string column)
        => $"The encryption map has '{column}' with another mode, type or stable name than asked for. Leave them out, or write into a column that is new.";

    public static string AlreadyEncrypted(string column) => $"'{column}' is encrypted already. Re-encrypt it into the other column instead of backfilling that.";

    public static string TargetIsEncrypted(string column) => $"'{column}' is an encrypted column, so plaintext cannot be written into it. Name another one.";

    public static string TypeUnknown(string type, IEnumerable<string> known) => $"'{type}' is no type that plaintext columns are converted to or from. Use one of {string.Join(", ", known)}.";

    public static string NothingToDo(string table, JobKind kind) => $"Table '{table}' has no column for a job of kind '{kind}'. See the encryption map: 'efenvelope status'.";

    public static string MapEmpty(JobKind kind)
        => $"The encryption map of this database has no column for a job of kind '{kind}'. Check that this is the right database and schema, and that its migrations have run.";

    public static string UniqueWithoutNext(string column)
        => $"'{column}' is under a unique index and has no second column, so duplicates could slip in while two key versions are live. Add a migration with the present version of EfEnvelope, which adds '…_Next', first.";

    public static string IndexSourceMissing(string index, string column)
        => $"The blind index '{index}' is computed from '{column}', which the encryption map does not have. Run the application's migrations.";

    public static string SealedWrong(string column, object version)
        => $"A value of '{column}' that was sealed under '{version}' did not open to the same bytes, and was not written. Stop, and check this machine's memory and processor.";

    public static string PlaintextOfOtherType(string column, string type) => $"'{column}' holds something that is no '{type}'. The row was left as it is. Correct its value, or give another type ('PlaintextType', in the tool '--type'), and run the job again.";

    public static string PlaintextLooksEncrypted(string column)
        => $"A value of '{column}' would look like an envelope as plaintext, so it could not be told from one. The row was left as it is; decrypt into another column.";

    public static string PlaintextLikeEnvelope(string column)
        => $"'{column}' holds a text that starts like an envelope, but is of no key version of this scope. The row was left as it is; decide what it is, or write into another column ('Into', in the tool '--into').";

    public static string CopyDiffers(string target, string source)
        => $"'{target}' holds another value than '{source}'. The application wrote one of them alone; the row was left as it is. If '{source}' is right, set '{target}' and its blind indexes to NULL in this row, and run the job again.";

    public static string DatabaseRefused(string code) => $"The database refused the row ({code}). It was left as it is; see which constraint of the table it breaks.";

    public static string ValueWouldChange(string type)
        => $"The column is '{type}', which does not hold the value that was to be written as it is, or a trigger changes it. The row "
            + $"was left as it is. Let the trigger leave envelopes alone, change the column to a type that holds every value "
            + $"('nvarchar' on SQL Server, 'text' on PostgreSQL and SQLite for texts), or decrypt into another column ('Into', in the "
            + $"tool '--into'); then run the job again.";

    public static string KeyChangedMeanwhile(object scope)
        => $"A key version of scope '{scope}' that rows were sealed under was disabled, retired or exchanged meanwhile. Nothing was written. Retry.";

    public static string RangeTaken(long job, int range) => $"Range {range} of job {job} is worked on by somebody else. Nothing was written twice.";

    public static string JobStopped(long job) => $"Job {job} was paused, cancelled, or has gone on without this worker.";

    public static string JobPaused(long job) => $"Job {job} is paused. Let it go on with 'efenvelope jobs resume {job}'.";

    public static string JobAltered(long job)
        => $"Job {job} asks for something else than its kind says: somebody changed it in '__EnvelopeJobs'. It was not run. Find out who, and begin a new one.";

    public static string JobUnusable(long job, string fault)
        => $"Job {job} cannot go on, because something that is stored for it or for its table fits no row ('{fault}'). Look at the encryption map with 'efenvelope doctor', and begin a new job.";

    public static string ValueMalformed(string column) => $"'{column}' holds something that EfEnvelope does not write there";

    public static string KeyOfOtherTable() => "its keys do not have the parts of the table's primary key";

    public static string RowMalformed(MalformedRow row) => $"The row '{row.Key}' of '{row.Table}' cannot be read: {row.Reason}. {RepairOf(row)}";

    public static string RepairOf(MalformedRow row)
        => row.Table switch
        {
            Sql.JobTables.Jobs => $"Find out who wrote it, and remove the job with 'efenvelope jobs cancel {row.Key}'.",
            Sql.JobTables.Ranges or Sql.JobTables.Checkpoints => "Find out who wrote it, and begin a new job.",
            _ => "Find out who wrote it, and restore the row from a backup of the database.",
        };

    public static string JobMissing(long job) => $"There is no job {job} in this database. List them: 'efenvelope jobs list'.";

    public static string JobHasEnded(long job, JobState state) => $"Job {job} has ended ({state.ToString().ToLowerInvariant()}). Nothing was changed. Begin a new one.";

    public static string WindowClosed(DateTimeOffset opens) => FormattableString.Invariant($"the maintenance window is closed; it opens at {opens.UtcDateTime:yyyy-MM-dd HH:mm} UTC");

    public static string WaitsForRate(int rate) => FormattableString.Invariant($"throttled to {rate} rows per second");

    public static string WaitsForDutyCycle(double duty) => FormattableString.Invariant($"throttled to {duty:P0} of the time");

    public static string WaitsForLatency(TimeSpan limit) => FormattableString.Invariant($"backing off: batches take longer than {limit.TotalMilliseconds:0} ms at the database");

    public static string WaitsForOutage(string cause) => $"waiting for what is out of reach: {cause}";

    public static string TransactionOpen()
        => "A transaction that began before is still open, and may have written what others cannot see yet. Nothing was changed. End it "
            + "(PostgreSQL shows it in 'pg_stat_activity', SQL Server in 'sys.dm_tran_locks'), and retry.";

    public static string TableNotRead(string table, string code)
        => $"Table '{table}' could not be read ({code}), so its columns may hold values under the key version. Nothing was changed. See "
            + $"the inner exception, let the user that connects read the table, or drop it if nothing needs it, and retry.";

    public static string MemoryOptimized(string table)
        => $"Table '{table}' is memory-optimized, so no job can lock or skip its rows. Let the application read and save its rows "
            + $"again, or move them into a table on disk, and retry.";

    public static string KeepsHistory(string table, Sql.TableHistory history, bool keepsPlaintext)
    {
        var kept = keepsPlaintext ? "the plaintext that the job overwrites stays readable there" : "the envelopes that the job "
            + "overwrites stay there, and their key version is needed for as long";
        return history switch
        {
            Sql.TableHistory.Temporal => $"'{table}' is a temporal table: its history keeps every row that is overwritten, so {kept}. "
                + $"Either switch history off ('ALTER TABLE … SET (SYSTEM_VERSIONING = OFF)'), run the job, clean the history table and "
                + $"switch it on again; or keep the key version, which is not retired while the history refers to it.",
            Sql.TableHistory.Ledger => $"'{table}' is a ledger table: its history keeps every row that is overwritten and cannot be "
                + $"cleaned, so {kept}. Keep the key version for as long as the ledger; it is not retired while the history refers to it.",
            _ => $"'{table}' is tracked by change data capture: its change tables keep every row that is overwritten, so {kept}. Either "
                + $"switch capture off ('sys.sp_cdc_disable_table'), run the job and switch it on again; or keep the key version until "
                + $"the retention time of the change tables has passed.",
        };
    }

    public static string WaitsForTransactions() => "transactions that began before are still open; what they wrote is looked for when they have ended";

    public static string WaitsForRotation(long job) => $"job {job} makes a new key version first";

    public static string WaitsForTable(string table) => $"another job works on '{table}'";

    public static string WaitsForPrimary(KeyVersion version, DateTimeOffset from)
        => FormattableString.Invariant($"'{version}' becomes primary at {from.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC; rows are rewritten from then on");

    public static string WaitsForInstances(KeyVersion version, DateTimeOffset until)
        => FormattableString.Invariant($"instances that have not loaded '{version}' yet may write under an older one until {until.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC; the table is looked through once more then");

    public static string WaitsForStragglers(long rows) => FormattableString.Invariant($"{rows} rows were locked or written meanwhile; they are looked for again");

    public static string WaitsForUnique(string column) => $"unique values move when every row has its second one; '{column}' lacks some: reindex its table";

    public static string Rotated(KeyVersion version) => $"made '{version}'";

    public static string ScopeNeeded(IReadOnlyCollection<KeyScope> known)
        => $"This database has several key scopes: {string.Join(", ", known.Take(10))}{(known.Count > 10 ? $" and {known.Count - 10} more" : "")}. Name one.";

    public static string ScopeUnknown(KeyScope scope, IEnumerable<KeyScope> known)
        => $"There is no key scope '{scope}' in this database; {List(known.Select(k => k.Name))}. Check its name, or create it: 'efenvelope keys create {scope}'.";

    public static string ScopeExists(KeyScope scope) => $"The scope '{scope}' has a key version already. Nothing was changed. Rotate it for a new one.";

    public static string NoKeyStore()
        => "This database has no key store ('__EnvelopeKeys'). Check that it is the right database and schema, run the application's migrations, or create a scope: 'efenvelope keys create'.";

    public static string VersionUnknown(KeyVersion version, IEnumerable<int> known)
        => $"There is no key version '{version}'; its scope has {string.Join(", ", known.Select(n => $"v{n}"))}. Check the number.";

    public static string IsPrimary(KeyVersion version) => $"Key version '{version}' is the primary: it encrypts now. Nothing was changed. Rotate first: 'efenvelope keys rotate {version.Scope}'.";

    public static string NothingToRotate() => "there is no key yet; the first one is made at the first write";

    public static string NewToMap(string column)
        => $"'{column}' is not in the encryption map, so no application encrypts it: one that reads it as it is would show envelopes. Deploy the application that declares it encrypted first, or name another column with 'Into' ('--into').";

    public static string ColumnIsMade(string column) => $"There is no column '{column}', so it is added. Check its name, if an application's migration was to add it.";

    public static string PlaintextStays(string column)
        => $"What '{column}' held in clear text stays readable in backups, replicas and logs of the database, and in free pages until they are vacuumed ('VACUUM', on PostgreSQL 'VACUUM FULL').";

    public static string PlaintextWarning(string column) => $"Plaintext will be stored in '{column}'. A row that is written afterwards has none there, unless the application writes both.";

    public static string EndsNotBefore(KeyVersion version, DateTimeOffset at)
        => FormattableString.Invariant($"It cannot end before {at.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC: instances that have not loaded '{version}' may write under an older one until then.");

    public static string NotRetired(KeyVersion version) => $"Key version '{version}' is not retired, so values may be under it. Nothing was changed. Retire it first: 'efenvelope keys retire {version}'.";

    public static string PlanRenews(MapColumn column, EncryptionMode? mode, bool comparesAll = false)
    {
        var what = column.NextOf is not null ? "the second value of a unique index"
            : column.Kind == MapColumnKind.BlindIndex ? $"blind index over {string.Join(", ", column.Sources)}"
            : $"{(mode ?? column.Mode).ToString().ToLowerInvariant()} {column.PlaintextType}";
        var when = comparesAll && (column.NextOf is not null || column.Kind == MapColumnKind.BlindIndex)
            ? "under an older version, missing, or does not belong to the row's values"
            : "under an older version or missing";
        return $"{column.Column}: {what}, rewritten where it is {when}";
    }

    public static string PlanBackfills(MapColumn column) => $"{column.Column}: plaintext becomes {column.Mode.ToString().ToLowerInvariant()} envelopes, in place";

    public static string PlanDecrypts(MapColumn column) => $"{column.Column}: envelopes become plaintext, in place";

    public static string PlanCopies(string from, string into, bool decrypts) => $"{into}: filled from {from} where it is null, {(decrypts ? "decrypted" : "encrypted")}";

    public static string PlanRotates(KeyScope scope, bool includeSearch) => $"a new key version of '{scope}' is made{(includeSearch ? ", for what is compared, too" : "")}; no row changes";

    private static string List(IEnumerable<string> names) => string.Join(", ", names) is { Length: > 0 } list ? $"there is {list}" : "there is none";
}
