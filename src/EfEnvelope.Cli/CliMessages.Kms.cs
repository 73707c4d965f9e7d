using System.Globalization;
using System.Text.Json;
using EfEnvelope.Cli.Output;
using EfEnvelope.Kms.Local;

namespace EfEnvelope.Cli;

// What is said of KMSes, of the embedded one, and of what they cost. Never a secret: of settings that may hold one, the name alone.
internal static partial class CliMessages
{
    // The settings of a KMS.

    public static string KekMissing(string type, string example)
        => $"The KEK of the KMS '{type}' is missing or incomplete. Give '--kek', {KmsVariable("kek")} or 'kms.kek' in '{Configuration.ConfigurationFile.Name}', such as '{example}'.";

    public static string KmsSettingMissing(string type, string setting, bool isSecret)
        => isSecret
            ? $"The KMS '{type}' needs '{setting}', a secret. Give {KmsVariable(setting)}, or '{setting}File' or '{setting}Environment' under 'kms' in '{Configuration.ConfigurationFile.Name}'."
            : $"The KMS '{type}' needs '{setting}'. Give {KmsVariable(setting)}, or '{setting}' under 'kms' in '{Configuration.ConfigurationFile.Name}'.";

    public static string RecoveryKeyMissing()
        => $"The KMS 'recovery' needs 'publicKeyFile'. Give {KmsVariable("publicKeyFile")}, or 'publicKeyFile' under 'kms' in '{Configuration.ConfigurationFile.Name}'; to recover, 'privateKeyFile'.";

    public static string MalformedFlag(string setting) => $"The KMS setting '{setting}' is neither 'true' nor 'false'. Give one of them.";

    public static string MalformedCount(string setting) => $"The KMS setting '{setting}' is not a number. Give 0 or more.";

    public static string UnknownValue(string setting, string value, IEnumerable<string> known)
        => $"The KMS setting '{setting}' is '{Shorten(value)}'. Give one of {List(known)}.";

    public static string VaultAddressMissing()
        => $"The KMS 'vault' needs 'address'. Give {KmsVariable("address")}, 'address' under 'kms' in "
            + $"'{Configuration.ConfigurationFile.Name}', or VAULT_ADDR.";

    public static string VaultRoleMissing()
        => "The KMS 'vault' needs 'roleId' or 'kubernetesRole' for 'authMount', which says where such a login is mounted. Give one, or "
            + "leave 'authMount' out.";

    public static string NoCertificates(string path)
        => $"'{path}' holds no certificate of an authority. Give PEM files: 'BEGIN CERTIFICATE' and what follows.";

    public static string MalformedAddress(string setting) => $"The KMS setting '{setting}' is not an address. Give one such as 'https://kms.example.org:8200', without a user; 'http://' is for loopback only.";

    public static string EmptySecret(string setting, string source) => $"The KMS setting '{setting}' in '{source}' is empty. Put the secret there.";

    public static string SecretInFile(string name, bool hasFile)
        => $"The configuration file holds the KMS setting '{name}', a secret. Use {KmsVariable(name)}, '{name}Environment'{(hasFile ? $" or '{name}File'" : "")}{(name == "passphrase" ? ", or 'keyFile'" : "")}.";

    // The library's own text has what, whose, and how to mend it; the name of its parameter is nobody's here.
    public static string KmsSettingRefused(string type, ArgumentException e) => $"The KMS '{type}': {KmsArgumentRefused(e)}";

    public static string KmsArgumentRefused(ArgumentException e)
        => e.ParamName is { } name && e.Message.IndexOf($" (Parameter '{name}')", StringComparison.Ordinal) is > 0 and var at ? e.Message[..at] : e.Message;

    public static string NoAwsProfile(string name) => $"There is no usable profile '{Shorten(name)}' of AWS. Correct {KmsVariable("profile")} or 'profile', or make it: 'aws configure --profile …'.";

    public static string NoGoogleCredentials(string path) => $"'{path}' holds no credentials of Google Cloud. Give the JSON file of a service account, or leave 'credentialsFile' out for the default credentials.";

    public static string PrivateKeyAsPublic(string path)
        => $"'{path}' holds the private half of the recovery key, but 'publicKeyFile' names it. Give the public half, and keep the private one offline; to recover, name it by 'privateKeyFile'.";

    public static string OtherRecoveryKey(string path, object kek, string wanted) => $"The recovery key in '{path}' is '{kek}', not '{Shorten(wanted)}'. Give the file of that key, or leave 'kek' out.";

    public static string UnknownKmsProvider(string name) => $"'{Shorten(name)}' is not a server that the embedded KMS is kept in. Give 'postgresql' or 'sqlserver', or 'file' instead.";

    public static string CredentialUnusable() => "The credential of the embedded KMS is not one. Give what 'kms principals create' wrote, whole.";

    // The embedded KMS.

    public static string NoLocalKms() => "None of the KMS that are configured is the embedded one, which this is about. Configure it: '--kms local' and '--kms-file', or name another file by '--config'.";

    public static string SeveralLocalKms() => "Several embedded KMS are configured, and this is about one. Name a configuration file with one by '--config'.";

    public static string MalformedPair(string text) => $"'{Shorten(text)}' is not a pair of an encryption context. Write 'name=value', each name once.";

    public static string UnknownOperation(string text) => $"'{Shorten(text)}' is not an operation of the embedded KMS. Give one such as 'Wrap', 'Unwrap', 'Rewrap', 'Sign' or 'ScheduleKeyDeletion'.";

    public static string OperationsMissing() => "No operation is named that the grant is for. Add '--operations', such as '--operations Wrap,Unwrap'.";

    public static string UnknownAlgorithm(string text, IEnumerable<string> known) => $"'{Shorten(text)}' is not an algorithm of the embedded KMS. Give {List(known)}.";

    public static string SealMissing() => "No seal is named. Add '--key-file' or '--passphrase-file'.";

    public static string BackupPassphraseMissing() => $"No passphrase for the backup is given. Set {KmsVariable("backupPassphrase")}, or add '--passphrase-file'.";

    public static string FileExists(string path) => $"There is a file '{path}' already. Name another, or move it away; nothing is written over.";

    public static string FileNotWritten(string path) => $"The file '{path}' could not be written. Correct the path, or let this user write there.";

    public static string KmsHasKeys(string path) => $"There is a KMS in '{path}' already. A backup is restored into a new one: name another by '--kms-file'.";

    public static string KeyCreates(string name, object algorithm) => $"make the key '{name}' ({algorithm})";

    public static string KeyRotates(string name) => $"make the next version of the key '{name}', which wraps from then on; former versions go on opening";

    public static string KeyEnables(string name) => $"enable the key '{name}'";

    public static string KeyDisables(string name) => $"disable the key '{name}': what it wrapped does not open until it is enabled again";

    public static string KeyDeletes(string name, int days)
        => string.Create(CultureInfo.InvariantCulture, $"delete the key '{name}' in {days} days; it is disabled at once, and what it wrapped is lost then");

    public static string KeyDeletionCancels(string name) => $"cancel the deletion of the key '{name}', and leave it disabled";

    public static string KeyIs(string name, string state, int version) => string.Create(CultureInfo.InvariantCulture, $"the key '{name}' is {state}, its primary version is {version}.");

    public static string StaleAfterRotation() => "to bring data keys to the new version: 'keys rewrap --execute'.";

    public static string PrincipalCreates(string name) => $"make the principal '{name}', which may do nothing until a policy or a grant allows it";

    public static string PrincipalDisables(string name) => $"disable the principal '{name}'";

    public static string PrincipalRotates(string name, TimeSpan overlap)
        => overlap == TimeSpan.Zero ? $"give '{name}' a new credential; the former one is refused at once" : $"give '{name}' a new credential; the former one is accepted for {Durations.Say(overlap)}";

    public static string PrincipalDeletes(string name) => $"delete the principal '{name}' and its grants";

    public static string CredentialShownOnce() => $"this credential is shown once. Keep it where the application finds secrets, such as {KmsVariable("credential")}.";

    public static string PolicySets(string name) => $"set the policy '{name}'";

    public static string PolicyDeletes(string name) => $"delete the policy '{name}', also what it denies";

    public static string Enforces() => "take the keys from who opens the KMS by its seal alone: root then manages access, seals, backup and audit, and what a policy names it for";

    public static string NoAdministrator(IEnumerable<string> keys)
        => $"no rule lets anybody rotate, disable or delete the keys {List(keys)} once access is enforced";

    public static string AdministratorsUnknown(string reason) => $"not known: {reason}";

    public static string MakeAdministrator()
        => "'kms principals create admin --execute', save the next line as 'admin.json', 'kms policies set admin.json --execute'; "
            + $"then run the tool with that credential in {KmsVariable("credential")}";

    public static string AdministratorPolicy()
    {
        string[] operations =
        [
            nameof(LocalKmsOperation.CreateKey), nameof(LocalKmsOperation.DescribeKey), nameof(LocalKmsOperation.ListKeys), nameof(LocalKmsOperation.TagKey),
            nameof(LocalKmsOperation.SetAlias), nameof(LocalKmsOperation.EnableKey), nameof(LocalKmsOperation.DisableKey), nameof(LocalKmsOperation.RotateKey),
            nameof(LocalKmsOperation.ScheduleKeyDeletion), nameof(LocalKmsOperation.CancelKeyDeletion), nameof(LocalKmsOperation.ImportKey),
        ];
        return JsonSerializer.Serialize(new { statements = new[] { new { effect = "allow", principals = new[] { "admin" }, operations, keys = new[] { "*" } } } });
    }

    public static string StopsEnforcing() => "let who opens the KMS by its seal alone do everything again";

    public static string GrantAdds(string principal, string key, IEnumerable<string> operations) => $"let '{principal}' {string.Join(", ", operations)} with '{key}'";

    public static string GrantRevokes(string id) => $"revoke the grant '{id}'";

    public static string SealAdds(string kind) => $"add a seal: {kind}. It opens the KMS beside those there are";

    public static string SealRemoves(string id) => $"remove the seal '{id}', which opens the KMS no longer";

    public static string Restores(string path, string store) => $"make the KMS of '{path}' in '{store}', with all keys, principals, rules and the audit trail";

    public static string KmsDone() => "done.";

    public static string BackupWritten(string path) => $"'{path}' was written. It opens by its passphrase alone: keep both apart from each other and from the KMS.";

    // The audit trail.

    public static string TrailAltered() => "the audit trail or a row of the KMS was altered. Find out who could write the store, and compare with an export that was kept elsewhere.";

    public static string TrailIntact() => "the audit trail is whole.";

    public static string AuditFileNeedsKey() => "'--file' and '--public-key' go together: an exported trail is verified by the key that was handed out beside it. Give both, or neither.";

    public static string NoCheckpointYet() => "there is no event yet, so there is nothing to sign.";

    public static string MalformedCheckpoint(string path) => $"'{path}' holds no checkpoint. Give a file that 'audit checkpoint' wrote.";

    public static string MalformedPublicKey(string path) => $"'{path}' holds no public key of an audit trail. Give the PEM file that 'audit public-key' wrote.";

    public static string TrailLine(long line) => string.Create(CultureInfo.InvariantCulture, $"Line {line} is not a line of an exported trail.");

    public static string TrailHeader() => "The file does not begin with the header of an exported trail.";

    public static string TrailEventMissing(long sequence) => string.Create(CultureInfo.InvariantCulture, $"Event {sequence} is missing.");

    public static string TrailEventAltered(long sequence) => string.Create(CultureInfo.InvariantCulture, $"Event {sequence} was altered, inserted or moved.");

    public static string TrailCheckpoint(long sequence) => string.Create(CultureInfo.InvariantCulture, $"The checkpoint at event {sequence} is not one of this trail.");

    public static string TrailUnsigned(long sequence) => string.Create(CultureInfo.InvariantCulture, $"Event {sequence} and those after it are under no checkpoint.");

    public static string TrailExpected(long sequence) => string.Create(CultureInfo.InvariantCulture, $"The checkpoint that was kept elsewhere, at event {sequence}, is not part of this trail.");

    // Copies of keys.

    public static string KmsNotConfigured() => "no KMS is configured, so no copy was judged.";

    public static string StaleCopies(int count)
        => count == 1 ? $"1 copy is stale: run '{Tool} keys rewrap --execute'." : string.Create(CultureInfo.InvariantCulture, $"{count} copies are stale: run '{Tool} keys rewrap --execute'.");

    public static string CopiesUnderOtherKeks(int count, IEnumerable<string> keks, IEnumerable<string> configured)
        => string.Create(
            CultureInfo.InvariantCulture,
            $"{count} {(count == 1 ? "copy is" : "copies are")} under {List(keks)}, which is not configured. If that KEK is the right one, give '--kek', {KmsVariable("kek")} or 'kms.kek'. To move to {List(configured)}, run '{Tool} keys rewrap'.");

    public static string NotConfigured(string kek) => $"{kek} (not configured: its copies are removed)";

    public static string RewrapsAll(int scopes) => string.Create(CultureInfo.InvariantCulture, $"wrap the keys of all {scopes} scopes anew");

    public static string RewrappedAll(int scopes) => string.Create(CultureInfo.InvariantCulture, $"the keys of {scopes} scopes were rewrapped.");

    // Crypto-shredding.

    public static string Shreds(object scope) => $"destroy every key version of {scope} for good: nothing that was encrypted under them can be read again";

    public static string ShredLeaves() => "backups of the database from before still have the wrapped keys, for as long as the KMS has its KEK";

    public static string Shredded(object scope) => $"{scope} was shredded. Running instances drop its keys at their next refresh, after 'RefreshInterval' (1 hour by default) at most; backups from before still have its wrapped keys, for as long as the KMS has its KEK.";

    public static string ShredNotConfirmed(object scope, bool missing)
        => missing
            ? $"Shredding '{scope}' needs its name once more. Nothing was changed. Add '--confirm {scope}'."
            : $"What was typed to confirm is not '{scope}'. Nothing was changed. Type the scope exactly.";

    // Costs.

    public static string MalformedMonth(string text) => $"'--month' is '{Shorten(text)}'. Give a year and a month that has begun, such as '2026-11'.";

    public static string MalformedPrices(string path, string? where)
        => $"The price list '{path}' is not as it should be{(where is null ? "" : $" at '{Shorten(where)}'")}. "
            + "Write { \"currency\": \"USD\", \"kms\": { \"aws-kms\": { \"perKeyPerMonth\": 1.00, \"per10000Requests\": 0.03, \"freeRequestsPerMonth\": 20000 } } }, with numbers of 0 or more.";

    public static string NoPriceList() => "no price list is given, so requests and keys are shown alone. Add '--prices'.";

    public static string NoPrice(string kek) => $"the price list has nothing for '{Shorten(kek)}'; it is not in the sum.";

    public static string UsageCounts() => "instances count their requests when they read their key ring, so the last hour may be missing; a request that was sent again counts once.";

    public static string Projected(string elapsed) => $"the month is not over ({elapsed} of it has passed): what was measured is carried forward to the whole month.";

    public static string Percent(decimal part) => string.Create(CultureInfo.InvariantCulture, $"{part * 100:0.#}%");
}
