using System.Globalization;
using EfEnvelope.Keys;
using EfEnvelope.Kms;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Scans;

// What 'doctor' says: the codes are stable, and nothing quotes a value or a key.
internal static class DoctorMessages
{
    public static Diagnosis MapMissing()
        => Error("map-missing", "__EnvelopeMap", "This database has no encryption map, so no tool can tell which columns are encrypted.",
            "Check that this is the right database and schema, and run the application's migrations.");

    public static Diagnosis MapEmpty()
        => Notice("map-empty", "__EnvelopeMap", "The encryption map has no column, so there is nothing to look after.",
            "Encrypt a property and migrate, or backfill a column: 'efenvelope backfill'.");

    public static Diagnosis RowMalformed(MalformedRow row)
        => Error("row-malformed", $"{row.Table} {row.Key}", $"The row cannot be read: {row.Reason}.", RotationMessages.RepairOf(row));

    public static Diagnosis DatabaseUnsupported(string database, string fault)
        => Error("compatibility-level", database, fault, "Ask the database's administrator to raise its compatibility level.");

    public static Diagnosis NamesIgnoreCase(string table, string column)
        => Warning("names-ignore-case", $"{table}.{column}", "The column's collation takes names that differ in case for one name, so a "
            + "scope or a table whose name differs in nothing else is refused.",
            "Let the column compare byte by byte: on SQL Server add a migration with this version of EfEnvelope and apply it (without "
                + "migrations, run what 'Database.GenerateCreateScript()' has for the table), or begin a job as a user who may alter "
                + "its table; "
            + "elsewhere give it the binary collation ('COLLATE \"C\"' on PostgreSQL, 'BINARY' on SQLite).");

    public static Diagnosis TableMissing(string table)
        => Error("table-missing", table, "The encryption map has a table that this database has not; retirement of a key version stops at it.",
            "Run the application's migrations; if the table was dropped by hand, delete its rows of '__EnvelopeMap'.");

    public static Diagnosis ColumnMissing(MapColumn column)
        => Error("column-missing", column.Name, "The encryption map has a column that its table has not; retirement of a key version stops at it.",
            "Run the application's migrations; if the column was dropped by hand, delete its row of '__EnvelopeMap'.");

    public static Diagnosis ColumnNotInMap(string column)
        => Error("column-not-in-map", column, "The column holds envelopes, and the encryption map does not have it: no job rewrites it, and a key version is retired although the column needs it.",
            "Mark the property as encrypted and migrate, or retire no key version before the column is emptied.");

    public static Diagnosis TableNotRead(string table, string code)
        => Error("table-not-read", table, $"The table could not be read ({code}), so its columns may hold envelopes that are not "
            + $"counted: no key version is retired.",
            "Look up the code; let the user that connects read the table, repair it, or drop it if nothing needs it.");

    public static Diagnosis ColumnWrongType(MapColumn column, string type)
        => Error("column-wrong-type", column.Name, $"The column is '{type}', but {(column.IsText ? "envelopes as text" : "binary values")} are to be stored in it.",
            "Run the application's migrations; a column of text has to be encrypted as text, or into another column.");

    public static Diagnosis ColumnTooNarrow(MapColumn column, int has, long needs)
        => Error("column-too-narrow", column.Name, Format($"The column takes {has}, and its values need {needs}, so saving them fails."), $"Alter the column to take {needs} or more.");

    public static Diagnosis ColumnNearlyFull(MapColumn column, int has, long longest)
        => Warning("column-too-narrow", column.Name, Format($"The column takes {has}, and its longest value has {longest} already: a slightly longer one would fail."),
            "Alter the column to have no limit, or one of three times the longest text and 33 more, by 4/3 and 14 more where it is stored as text.");

    public static Diagnosis ForeignRows(MapColumn column, long count)
        => Error("foreign-rows", column.Name, Format($"{count} values are no envelopes, so reading them fails."),
            column.IsText ? "Backfill the column: 'efenvelope backfill'; 'efenvelope verify' lists the rows." : "List the rows with 'efenvelope verify', and restore them or save them again.");

    public static Diagnosis PlaintextRows(MapColumn column, long count)
        => Notice("plaintext-rows", column.Name, Format($"{count} values are plaintext still, as the encryption map allows."),
            "Run 'efenvelope backfill'; when nothing writes plaintext any more, remove 'AllowPlaintextWhileBackfilling' and migrate. On the way back, run 'efenvelope decrypt'.");

    public static Diagnosis CheckMissing(MapColumn column)
        => Warning("check-missing", column.Name, "The column has no CHECK constraint for envelopes, so raw SQL and programs without EfEnvelope can store plaintext in it.",
            "Add a migration, which adds the constraint, and apply it; or call 'AllowUncheckedWrites()' on the property.");

    public static Diagnosis CheckNotProved(MapColumn column, string check)
        => Notice("check-not-validated", column.Name, $"The CHECK constraint '{check}' refuses plaintext in new rows, but older rows were not checked.",
            "Run the migration again that adds it, or validate it: 'ALTER TABLE … VALIDATE CONSTRAINT …' on PostgreSQL, 'ALTER TABLE … WITH CHECK CHECK CONSTRAINT …' on SQL Server.");

    public static Diagnosis SqlOverCiphertext(MapColumn column, TableSql reader)
        => reader.Kind.EndsWith("view", StringComparison.Ordinal)
            ? Notice("sql-over-ciphertext", column.Name, $"The {reader.Kind} '{reader.Name}' reads the column, which holds {Holds(column)}: what it compares or computes of it is wrong.",
                "Let it select the column as it is, or not at all, and compute in the application.")
            : Warning(
                "sql-over-ciphertext", column.Name,
                $"The {reader.Kind} '{reader.Name}' uses the column, which holds {Holds(column)}, so it computes with ciphertext.",
                "Drop it, or let it test the column for null only, and compute in the application.");

    private static string Holds(MapColumn column) => column.Kind == MapColumnKind.BlindIndex ? "keyed hashes" : "envelopes";

    public static Diagnosis PlaintextStillAllowed(MapColumn column, long job)
        => column.AllowsPlaintext
            ? Warning("plaintext-still-allowed", column.Name, Format($"Job {job} has decrypted the column, but the application still has 'StorePlaintextDuringTransition' set."),
                "Remove '[Encrypted]' or 'IsEncrypted' together with it, and add a migration.")
            : Warning("plaintext-still-allowed", column.Name, Format($"Job {job} has encrypted the column, but the application still has 'AllowPlaintextWhileBackfilling' set, so it takes plaintext without an alarm."),
                "Remove it and add a migration.");

    public static Diagnosis LooksPersonal(string column, string why)
        => Notice("looks-personal", column, $"The column is not encrypted, and {why}.", "Mark its property with '[Encrypted]' if it holds personal data; the page on adoption says how to encrypt existing rows.");

    public static Diagnosis IndexNotIndexed(MapColumn column)
        => column.Kind == MapColumnKind.BlindIndex
            ? Warning("index-not-indexed", column.Name, "No database index begins with the blind index, so every search reads the whole table.", "Create an index on the column.")
            : Notice("index-not-indexed", column.Name, "No database index has the deterministic column, so a search for it reads the whole table.",
                "Create an index on the column if it is searched; otherwise randomized encryption tells less.");

    public static Diagnosis IndexMissingValues(MapColumn column, long count, bool isAllowed)
        => isAllowed
            ? Notice("index-missing-values", column.Name, Format($"{count} rows lack the blind index, as its definition allows while it is filled."),
                "Run 'efenvelope reindex', then remove 'AllowMissingWhileBackfilling' and migrate.")
            : Error("index-missing-values", column.Name, Format($"{count} rows have values and lack the blind index, so queries miss them."), "Run 'efenvelope reindex'.");

    public static Diagnosis IndexSourceMissing(MapColumn column)
        => Error("index-source-missing", column.Name, "The blind index is computed from a column that the encryption map does not have, so it cannot be computed anew.", "Run the application's migrations.");

    public static Diagnosis NextLeftover(MapColumn column, long count)
        => Warning("next-leftover", column.Name, Format($"{count} second values are left although one key version is live in searches."), "Run 'efenvelope reindex'.");

    public static Diagnosis NoPrimaryKey(string table)
        => Warning("no-primary-key", table, "The table has no primary key, so no job can work on it, and it cannot be verified.", "Add a primary key.");

    public static Diagnosis RowSecurity(string table)
        => Error("rls", table, "Row level security keeps rows of the table from this user, so a job or a scan would miss them; it is refused.",
            "Connect as the owner of the table, or as a role with BYPASSRLS.");

    public static Diagnosis KeyOverAge(KeyVersion version, TimeSpan age, TimeSpan limit)
        => Warning("key-over-age", version.ToString(), Format($"The primary is {age.TotalDays:0} days old, and is to be replaced after {limit.TotalDays:0}."), "Run 'efenvelope keys rotate'.");

    public static Diagnosis KeyBudgetLow(KeyVersion version, long reserved)
        => Warning("key-budget", version.ToString(), Format($"{reserved} of 4294967296 encryptions of one column are used up, and at the end writing stops."), "Run 'efenvelope keys rotate'.");

    public static Diagnosis KeyBudgetOver(KeyVersion version, long reserved, long limit)
        => Notice("key-budget", version.ToString(), Format($"{reserved} encryptions of one column are reserved, and the next version is made after {limit}."), "Run 'efenvelope keys rotate' if it is not made by itself.");

    public static Diagnosis KeyNotProved(KeyVersion version)
        => Warning("key-not-proved", version.ToString(), "The version was stored and never proved, so it encrypts nothing: who made it died meanwhile.",
            "Run 'efenvelope keys rotate', which proves it, or puts it aside.");

    public static Diagnosis KeyNoPrimary(KeyScope scope)
        => Error("key-no-primary", scope.ToString(), "No version of the scope may encrypt, so writing fails.", "Enable a version, or run 'efenvelope keys rotate'.");

    public static Diagnosis KeyDisabledInUse(KeyVersion version, string columns)
        => Error("key-disabled-in-use", version.ToString(), $"The version is disabled, and values are under it, which cannot be read: {columns}.", $"Run 'efenvelope keys enable {version}', then re-encrypt.");

    public static Diagnosis KeyDestroyedInUse(KeyVersion version, string columns)
        => Error("key-destroyed-in-use", version.ToString(), $"The version was destroyed, and values are under it, which nobody can read: {columns}.",
            "Restore these rows from a backup as old as its keys, or set them to null.");

    public static Diagnosis KeyRetiredInUse(KeyVersion version, string columns)
        => Warning("key-retired-in-use", version.ToString(), $"The version is retired, and values are under it, as after a restore: {columns}.", "Re-encrypt them before the version is destroyed.");

    public static Diagnosis KeyUnknown(uint number, string columns)
        => Error("key-unknown", Format($"v{number}"), Format($"No scope of this key store has a version {number}, and values are under it: {columns}."),
            "Restore the key store from a backup of the time when they were written; never make a new version of that number.");

    public static Diagnosis KeyNotRetired(KeyVersion version)
        => Notice("key-not-retired", version.ToString(), "Nothing is under the version any more, and it is not retired.", $"Run 'efenvelope keys retire {version}'.");

    public static Diagnosis SearchRotating(KeyScope scope, IEnumerable<KeyVersion> versions)
        => Notice("search-rotating", scope.ToString(), $"Two versions are live in searches: {string.Join(", ", versions)}. Every query looks under both, and columns cannot be compared with each other.",
            "Run 'efenvelope reindex', then retire the older one.");

    public static Diagnosis KmsUnreachable(string subject, string cause)
        => Error("kms-unreachable", subject, $"The KMS did not unwrap it: {cause}", "Check the KMS, the network and the rights of this user.");

    public static Diagnosis KekNotDescribed(KekUri kek, string cause)
        => Error("kms-unreachable", kek.ToString(), $"The KMS did not tell of the KEK: {cause}", "Check the KMS, the network and the rights of this user, to describe the key among them.");

    public static Diagnosis KekDisabled(KekUri kek)
        => Error("kek-disabled", kek.ToString(), "The KEK is disabled, so what is under it opens only from another copy, and no key can be made.",
            "Enable it in its KMS, or configure another KEK and run 'efenvelope keys rewrap --execute'.");

    public static Diagnosis KekPendingDeletion(KekUri kek, DateTimeOffset? at)
        => Error("kek-pending-deletion", kek.ToString(), Format($"The KEK is to be deleted{(at is { } time ? Format($" at {time.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z") : "")}; what is under it alone is lost then."),
            "Cancel the deletion in its KMS, or configure another KEK and run 'efenvelope keys rewrap --execute' before.");

    public static Diagnosis StaleCopies(string kek, KekCopyState state, IReadOnlyList<string> keys)
        => Warning("stale-copies", kek, (state switch
        {
            KekCopyState.FormerVersion => "Under a former version of the KEK are ",
            KekCopyState.NotConfigured => "Under this KEK, which is not configured, are ",
            _ => "Not under this configured KEK are ",
        }) + Few(keys), "Run 'efenvelope keys rewrap --execute'; leave the former KEK alone until none is under it.");

    public static Diagnosis IntermediateMissing(int number, IReadOnlyList<string> keys)
        => Error("intermediate-missing", Format($"~intermediate:v{number}"), Format($"The intermediate key is not in the key store, so what is under it does not open: {Few(keys)}"),
            "Restore its row of '__EnvelopeKeys' from a backup; no KMS has it.");

    private static string Few(IReadOnlyList<string> keys) => string.Join(", ", keys.Take(5)) + (keys.Count > 5 ? Format($" and {keys.Count - 5} more.") : ".");

    public static Diagnosis KeyDoesNotOpen(string subject, string cause)
        => Error("key-does-not-open", subject, cause, "Check that the KMS and its KEK are those of this database, and restore the key store from a backup if its rows were altered.");

    public static Diagnosis JobFailed(JobInfo job)
        => Error("job-failed", Format($"job {job.Id}"), Format($"The job ({Describe(job)}) failed: {job.Reason}"), Format($"Mend the cause, then run 'efenvelope jobs resume {job.Id}'."));

    public static Diagnosis JobPaused(JobInfo job)
        => Notice("job-paused", Format($"job {job.Id}"), $"The job ({Describe(job)}) is paused, and keeps its table from other jobs.",
            Format($"Run 'efenvelope jobs resume {job.Id}' or 'efenvelope jobs cancel {job.Id}'."));

    private static string Describe(JobInfo job) => $"{job.Request.Kind.ToString().ToLowerInvariant()} {job.Request.Table}".TrimEnd();

    private static Diagnosis Error(string code, string subject, string message, string hint) => new(DiagnosisSeverity.Error, code, subject, message, hint);

    private static Diagnosis Warning(string code, string subject, string message, string hint) => new(DiagnosisSeverity.Warning, code, subject, message, hint);

    private static Diagnosis Notice(string code, string subject, string message, string hint) => new(DiagnosisSeverity.Notice, code, subject, message, hint);

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
