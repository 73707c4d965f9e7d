using System.Globalization;
using System.Text;
using EfEnvelope.Cli.Output;
using EfEnvelope.Keys;
using EfEnvelope.Rotation;

namespace EfEnvelope.Cli;

// Every text of the tool: what, whose, how to mend. The first sentence of an error becomes its 'error:', what follows its 'hint:'. Never a value, a
// connection string, a password or a passphrase.
internal static partial class CliMessages
{
    public const string Tool = "efenvelope";

    public static string Error(string text) => $"{Tool}: error: {text}";

    public static string Hint(string text) => $"{Tool}: hint: {text}";

    public static string Note(string text) => $"{Tool}: {text}";

    /// <summary>The environment variable of a setting: <c>connectionName</c> is <c>EFENVELOPE_CONNECTION_NAME</c>.</summary>
    public static string Variable(string setting) => $"EFENVELOPE_{UpperSnake(setting)}";

    public static string KmsVariable(string setting) => $"EFENVELOPE_KMS_{UpperSnake(setting)}";

    // What every kind of failure leads to.

    public static string Cancelled() => "Stopped.";

    public static string CancelledHint() => "Call the same command again to go on.";

    public static string UsageHint() => $"Nothing was changed. See '{Tool} --help'.";

    public static string HelpHint(string command) => $"Nothing was changed. See '{command} --help'.";

    public static string RefusedHint() => "Nothing was changed. Do what stands in the way first, or wait and call the same command again.";

    public static string UnavailableHint() => "Call the same command again when the database and the KMS can be reached; a job goes on where it was.";

    public static string AlarmHint() => "Raise the alarm: find out who changed the database, and restore from a backup.";

    public static string GoneHint() => "Give up on what was encrypted under this version; only a backup of the database from before has it, for as long as the KMS has the KEK that its wrapped key is under.";

    public static string Unexpected(string type, (string? Type, string? Method) where)
        => where.Method is null ? $"An error that was not foreseen ('{type}')." : $"An error that was not foreseen ('{type}' in '{where.Type}.{where.Method}').";

    public static string UnexpectedHint() => "Set EFENVELOPE_DEBUG=1 to see the message and the stack trace, which may hold values; report it without them.";

    // The command line.

    public static string UnknownArgument(string argument) => $"'{Shorten(argument)}' is not a command, an argument or an option here.";

    public static string SecretOnCommandLine()
        => "A password or passphrase does not belong on the command line, which other users and the shell's history can see. Nothing was done. "
            + $"Put the connection string into {Variable("connection")} or '{Configuration.ConfigurationFile.Name}', and a passphrase into {KmsVariable("passphrase")} or a file.";

    public static string MalformedTable(string text) => $"'{Shorten(text)}' is not a table. Write 'Table' or 'schema.Table'; quote names that have dots: '\"a.b\"'.";

    public static string MalformedColumn(string text)
        => $"'{Shorten(text)}' is not a column. Write 'Table.Column' or 'schema.Table.Column'; quote names that have dots: '\"a.b\".Column'.";

    public static string MalformedScope(string text)
        => $"'{Shorten(text)}' is not a key scope. Use 1 to 200 letters, digits and '.', '_', '/', '-', starting with a letter or digit; 'keys list' shows those there are.";

    public static string MalformedVersion(string text) => $"'{Shorten(text)}' is not a key version. Write the scope and the number, such as 'clinic:v1'; 'keys list' shows them.";

    public static string MalformedJob(string text) => $"'{Shorten(text)}' is not the number of a job. 'jobs list' shows them.";

    public static string MalformedNumber(string name, string text, int min, int max)
        => max == int.MaxValue ? $"'{name}' is '{Shorten(text)}'. Give a whole number, {min} or more." : $"'{name}' is '{Shorten(text)}'. Give a whole number from {min} to {max}.";

    public static string MalformedTime(string name, string text) => $"'{name}' is '{Shorten(text)}'. Give a time such as '200ms', '30s', '5m', '2h', '7d' or '7.00:00:00'.";

    public static string MalformedDutyCycle(string text) => $"'--duty-cycle' is '{Shorten(text)}'. Give a number above 0 and up to 1, such as '0.5', or 'none'.";

    public static string MalformedWindow(string text) => $"'--window' is '{Shorten(text)}'. Give two times in UTC that differ, such as '22:00-06:00', or 'none'.";

    public static string MalformedMode(string text) => $"'--mode' is '{Shorten(text)}'. Give 'randomized' or 'deterministic'.";

    public static string UnknownProgress(string text) => $"'--progress' is '{Shorten(text)}'. Give 'auto', 'plain', 'json' or 'none'.";

    public static string TwoScopes(string one, string other) => $"Two key scopes are named, '{Shorten(one)}' and '{Shorten(other)}'. Name one.";

    public static string TwoTables() => "The columns are of several tables, but one job works on one table. Call the command once for each.";

    public static string TableMissing() => "No table is named, but '--column', '--into', '--mode' and '--context' are about one. Add '--table'.";

    public static string OneColumnOnly() => "'--into' and '--context' are about one column, but none or several are named. Name one column.";

    public static string ThrottleMissing() => "Nothing of the throttle is to be changed. Give '--rows-per-second', '--duty-cycle', '--max-latency' or '--window', each 'none' to take it off.";

    // The configuration.

    public static string NoConfigurationFile(string path) => $"There is no configuration file '{path}'. Correct '--config' or {Variable("config")}.";

    public static string FileLeftOut(string path) => $"the connection and the KMS in '{path}' were left out, because the file was not confirmed.";

    public static string FileNotConfirmed(string path)
        => $"'{path}' says where the database or the KMS is, but it was not confirmed as it is now. "
            + $"Another user could have put it there. Read it, then run '{Tool} trust', or name it: '--config {Configuration.ConfigurationFile.Name}'.";

    public static string NothingToTrust(string path) => $"There is no configuration file '{path}'. Go to its directory, or name a file by '--config', which needs no confirmation.";

    public static string FileOfOthers(string path)
        => $"The configuration file '{path}' is not this user's, or others can write it. Copy it, or run: chmod go-w '{path}'.";

    public static string NoConfigurationDirectory() => "It is not known where this user's configuration is. Set HOME or XDG_CONFIG_HOME to an absolute path.";

    public static string UnwritableFile(string path) => $"The file '{path}' could not be written. Let this user write it.";

    public static string Trusted(string path) => $"'{path}' is confirmed as it is now; after a change, confirm it again.";

    public static string UnreadableFile(string path) => $"The file '{path}' could not be read. Correct the path, or let this user read it.";

    public static string MalformedConfigurationFile(string path, long? line)
        => line is null
            ? $"The configuration file '{path}' is not as it should be. 'connections' is an object of strings, 'kms' an object of strings or a list of them."
            : string.Create(CultureInfo.InvariantCulture, $"The configuration file '{path}' is not a JSON object; see line {line}. Mend it there.");

    public static string SettingIsNoText(string path, string name) => $"'{name}' in the configuration file '{path}' is not text. Write its value in double quotes.";

    public static string UnknownSetting(string path, string name, IEnumerable<string> known)
        => $"'{Shorten(name)}' in the configuration file '{path}' is not a setting. There are {List(known)}.";

    public static string EmptySetting(string name) => $"The KMS setting '{name}' is empty. Give a path.";

    public static string NoProvider(IEnumerable<string> known) => $"The kind of database is not configured. Give '--provider', {Variable("provider")} or 'provider' in '{Configuration.ConfigurationFile.Name}': {List(known)}.";

    public static string UnknownProvider(string name, IEnumerable<string> known) => $"'{Shorten(name)}' is not a kind of database that the tool knows. Give {List(known)}.";

    public static string UnknownEngine(string name, IEnumerable<string> known) => $"'{Shorten(name)}' is not an engine that the tool can encrypt with. Give {List(known)}.";

    public static string EngineNotUsable(string reason, string other)
        => $"{reason} Choose '{other}' by '--engine', {Variable("engine")} or 'engine' in '{Configuration.ConfigurationFile.Name}': the stored bytes are the same.";

    public static string NoConnection()
        => $"No connection is configured. Put the connection string into {Variable("connection")} or '{Configuration.ConfigurationFile.Name}'; one without a password may be given by '--connection'.";

    public static string NoSuchConnection(string name, IEnumerable<string> known)
        => known.Any()
            ? $"The configuration file has no connection '{Shorten(name)}'. There are {List(known)}."
            : $"The configuration file has no connection '{Shorten(name)}'. Add it under 'connections'.";

    public static string MalformedConnection(string provider) => $"The connection string is not one for '{provider}'. Correct it; its text is not shown, because it may hold a password.";

    public static string NoSqliteFile(string path) => $"There is no SQLite database '{path}'. Correct 'Data Source'; the tool never makes a database.";

    public static string NoKms()
        => $"No KMS is configured, and this needs one. Give '--kms-file' and '--kms-key-file', {KmsVariable("file")} and {KmsVariable("passphrase")}, or 'kms' in '{Configuration.ConfigurationFile.Name}'.";

    public static string SeveralKms()
        => "The configuration file has several KMS, but flags describe one. Leave '--kms', '--kek', '--kms-file' and '--kms-key-file' out, or name another file by '--config'.";

    public static string UnknownKms(string type, IEnumerable<string> known) => $"'{Shorten(type)}' is not a kind of KMS that the tool knows. Give {List(known)}.";

    public static string UnknownKmsSetting(string name, string type, IEnumerable<string> known) => $"'{Shorten(name)}' is not a setting of the KMS '{type}'. There are {List(known)}.";

    public static string MalformedKek(string kek) => $"'{Shorten(kek)}' is not a KEK. Write the kind of KMS and the key, such as 'local:clinic' or 'aws-kms:alias/clinic'.";

    public static string ForeignKek(string kek, string type, string scheme) => $"The KEK '{Shorten(kek)}' is not one of the KMS '{type}'. Write '{scheme}:…', or configure the KMS that has it.";

    public static string SettingsExclude(IEnumerable<string> names) => $"The KMS settings {List(names)} exclude each other. Give one.";

    public static string KmsFileMissing() => $"The file of the local KMS is not configured. Give '--kms-file', {KmsVariable("file")} or 'kms.file' in '{Configuration.ConfigurationFile.Name}'.";

    public static string KmsSealMissing()
        => $"Nothing opens the local KMS. Give '--kms-key-file', {KmsVariable("keyFile")}, {KmsVariable("passphrase")}, or 'keyFile', 'passphraseFile' or 'passphraseEnvironment' under 'kms' in '{Configuration.ConfigurationFile.Name}'.";

    public static string NoKmsFile(string path) => $"There is no KMS in '{path}'. Correct the path, or restore the file from a backup; only 'kms keys create', or 'keys create' for a first key, makes a new one.";

    public static string NoKeyFile(string path)
        => $"The key file '{path}' does not exist. Correct the path, or restore it from a backup; for a new KMS make one: (umask 077; head -c 32 /dev/urandom > '{path}').";

    public static string PassphraseUnusable(string source) => $"The passphrase in '{source}' is empty or not Unicode. Give the one that opens the KMS.";

    // The database.

    public static string Unreachable(string? cause) => cause is null ? "The database cannot be reached." : $"The database cannot be reached: {cause}";

    public static string UnreachableHint() => "Check that the server runs and that host and port are right, then call the same command again; a job goes on where it was.";

    public static string Busy(string? state) => state is null ? "The database is busy." : $"The database is busy (state {state}).";

    public static string LoginRefused(string? cause) => cause is null ? "The database refuses the login." : $"The database refuses the login: {cause}";

    public static string LoginRefusedHint() => "Correct the user and the password where the connection string is configured.";

    public static string NoDatabase(string? cause) => cause is null ? "There is no such database." : $"There is no such database: {cause}";

    public static string NoDatabaseHint() => "Correct the name of the database, or the path of the file, where the connection string is configured.";

    public static string NoRights(string? cause) => cause is null ? "This user may not do that in the database." : $"This user may not do that in the database: {cause}";

    public static string NoRightsHint()
        => "Give the user SELECT and UPDATE on the tables that are converted, all rights on the '__Envelope…' tables, and ALTER where the plan shows schema changes; or connect as another.";

    public static string NoTable(string? cause) => cause is null ? "A table is missing." : $"A table is missing: {cause}";

    public static string NoTableHint() => "Check that this is the right database and '--schema'; 'keys create' makes the tables of EfEnvelope where no migration did.";

    public static string DatabaseError(string type, string? state) => $"The database reports an error that was not foreseen ('{type}', {state ?? "no state"}).";

    public static string NoSchemas(string schema) => $"SQLite has no schemas, but '{Shorten(schema)}' is named. Write 'Table.Column'; quote a table that has a dot: '\"a.b\".Column'.";

    // Keys.

    public static string NoKeys() => "there is no key yet; 'keys create' makes the first.";

    public static string NoColumns() => "no column is encrypted.";

    public static string ScopeHasKeys(object scope) => $"The key scope '{scope}' has a key already. Use 'keys rotate' to make another version.";

    public static string NoSuchVersion(object version) => $"There is no key version '{version}'. 'keys list' shows those there are.";

    public static string PrimaryNotDisabled(object version) => $"'{version}' is the primary, under which everything is written. Rotate first: 'keys rotate'.";

    public static string NotConfirmed(object version, bool missing)
        => missing
            ? $"Destroying '{version}' needs its name once more. Nothing was changed. Add '--confirm {version}'."
            : $"What was typed to confirm is not '{version}'. Nothing was changed. Type the version exactly.";

    public static string TypeToDestroy(object version) => $"{Tool}: '{version}' will be gone for good. Type its name to destroy it: ";

    public static string CreatesVersion(object version) => $"make key version {version}";

    public static string CreatesTables() => "made if missing";

    public static string Created(object version) => $"{version} was made and encrypts.";

    public static string Rotated(object version) => $"{version} was made. When it encrypts: 'keys list'. Then convert what is older: 'reencrypt'.";

    public static string Rewraps(object scope) => $"wrap the keys of {scope} anew";

    public static string Rewrapped(int count) => count == 1 ? "1 key version was rewrapped." : string.Create(CultureInfo.InvariantCulture, $"{count} key versions were rewrapped.");

    public static string Disables(object version) => $"disable {version}: what it encrypted cannot be read until it is enabled again";

    public static string Disabled(object version) => $"{version} is disabled. Instances obey at their next refresh.";

    public static string Enables(object version) => $"enable {version}, after proving that it unwraps";

    public static string Enabled(object version) => $"{version} is enabled.";

    public static string Retired(object version) => $"{version} is retired. After the waiting period: 'keys destroy'.";

    public static string WouldRetire(object version) => $"nothing refers to {version}: it may be retired.";

    public static string SensitiveLeft(long job, JobKind kind)
        => $"job {job} ({kind.ToString().ToLowerInvariant()}) stores plaintext, or values in another way, so it is run by its number only: '{Tool} jobs run {job}'.";

    public static string Destroyed(object version) => $"{version} was destroyed. Backups from before still have its wrapped key, for as long as the KMS has its KEK.";

    public static string EncryptsAfter(TimeSpan delay) => delay == TimeSpan.Zero ? "0 s: at once, which is safe only where one process uses the database" : Durations.Say(delay);

    public static string WouldDestroy(object version) => $"nothing refers to {version}: it may be destroyed.";

    public static string StillReferred(object version) => $"values are still under {version}, so nothing was changed. Convert them first: 'reencrypt', and 'reindex' for what is compared.";

    // Plans and jobs.

    public static string NothingChanged() => "Nothing was changed. Add --execute to do this.";

    public static string NothingToDo() => "there is nothing to do.";

    public static string NotBefore(string time) => $"not before {time}, when its key version encrypts";

    public static string AtOnce() => "at once";

    public static string NoJobs() => "there is no job.";

    public static string Enqueued(IReadOnlyList<long> ids) => $"{Jobs(ids)} stored; the application's hosted service runs it, or '{Tool} jobs run {Numbers(ids)}'.";

    public static string StoredBefore(IReadOnlyList<long> ids) => $"{Jobs(ids)} stored before that; go on with '{Tool} jobs run {Numbers(ids)}' or take back with 'jobs cancel'.";

    public static string GoOn(IReadOnlyList<long> ids) => $"to go on: {Tool} jobs run {Numbers(ids)}";

    public static string Progress(JobProgress progress) => $"job {progress.Job.Id} {Figures(progress)}";

    public static string Bar(JobProgress progress)
        => $"{progress.Job.Id} {Views.KindName(progress.Job.Request.Kind)} {Views.TableName(progress.Job.Request)} {Figures(progress)}";

    public static string JobEnded(JobInfo job)
        => $"job {job.Id} ({Views.KindName(job.Request.Kind)} {Views.TableName(job.Request)}) is {Views.StateName(job.State)}: {Views.Count(job.RowsWritten)} rows written"
            + (job.Reason is null ? "." : $"; {job.Reason}");

    public static string RowsRefused(JobInfo job) => $"job {job.Id} left {Views.Count(job.RowsRefused)} rows as they were; '{Tool} jobs show {job.Id}' lists them.";

    public static string Paused(JobInfo job) => $"job {job.Id} is paused; its workers stop before their next batch. To go on: '{Tool} jobs resume {job.Id}'.";

    public static string Resumed(JobInfo job) => $"job {job.Id} may go on. To run it here: '{Tool} jobs run {job.Id}'.";

    public static string JobCancelled(JobInfo job) => $"job {job.Id} is cancelled; what it wrote stays.";

    public static string JobRemoved(long id) => string.Create(CultureInfo.InvariantCulture, $"job {id} could not be read, and was removed.");

    public static string RowMalformed(MalformedRow row) => $"the row '{row.Key}' of '{row.Table}' cannot be read: {row.Reason}; '{Tool} doctor' says what to do.";

    public static string Throttled(JobInfo job) => $"job {job.Id} has a new throttle; its workers obey it from their next batch on.";

    // Scans.

    public static string RowsRead(string count) => $"{count} rows read";

    public static string VerifyFailed(long count) => count == 1 ? "1 value failed." : $"{Views.Count(count)} values failed.";

    public static string DoctorFound(int findings, int errors)
        => findings == 0 ? "all is well." : string.Create(CultureInfo.InvariantCulture, $"findings: {findings}, errors among them: {errors}.");

    private static string Figures(JobProgress progress)
        => $"pass {progress.Job.Pass}, {Views.Count(progress.Job.RowsRead)} rows read of {Views.Count(progress.Job.EstimatedRows)}, {Views.Count(progress.Job.RowsWritten)} written, "
            + string.Create(CultureInfo.InvariantCulture, $"{progress.RowsPerSecond:N0} rows/s")
            + (progress.Remaining is { } left ? $", {Durations.Say(left)} left" : "")
            + (progress.WaitsFor is { } reason ? $"; waits: {reason}" : "");

    private static string Jobs(IReadOnlyList<long> ids) => ids.Count == 1 ? $"job {ids[0]} is" : $"jobs {Numbers(ids)} are";

    private static string Numbers(IReadOnlyList<long> ids) => string.Join(' ', ids);

    private static string List(IEnumerable<string> names) => $"'{string.Join("', '", names)}'";

    private static string Shorten(string text) => text.Length <= 80 ? text : text[..80] + "…";

    private static string UpperSnake(string name)
    {
        var text = new StringBuilder();
        foreach (var letter in name)
            text.Append(char.IsAsciiLetterUpper(letter) ? $"_{letter}" : char.ToUpperInvariant(letter));
        return text.ToString();
    }
}
