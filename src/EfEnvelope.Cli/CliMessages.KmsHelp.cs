namespace EfEnvelope.Cli;

// What '--help' says of KMSes, audit and costs.
internal static partial class CliMessages
{
    public static string KeysShredCommand() => "Destroys every key version of a scope for good, whatever is under it: crypto-shredding.";

    public static string ShredScopeArgument() => "The key scope.";

    public static string ConfirmScopeOption() => "The scope's name once more.";

    public static string CostCommand() => "Shows the requests to KMSes in a month as they were measured, the keys in them, and what both cost by a price list.";

    public static string PricesOption() => "The price list, a JSON file.";

    public static string MonthOption() => "The month, such as 2026-11. Default: the present one.";

    public static string AuditCommand() => "The audit trail of the embedded KMS.";

    public static string AuditVerifyCommand() => "Reads the whole trail and names the first event that was altered. With '--file', verifies an exported one, without the KMS.";

    public static string AuditExportCommand() => "Writes the trail to stdout as JSON lines.";

    public static string AuditCheckpointCommand() => "Signs the trail as it is now, and writes the checkpoint to stdout. Keep it where who can write the KMS cannot.";

    public static string AuditPublicKeyCommand() => "Writes the public key that verifies checkpoints to stdout, as PEM.";

    public static string CheckpointOption() => "A file with a checkpoint that was kept elsewhere: it must be part of the trail.";

    public static string AuditFileOption() => "An exported trail.";

    public static string PublicKeyOption() => "The public key of the exported trail, a PEM file that came by another way.";

    public static string FromOption() => "The first event. Default: 1.";

    public static string ToOption() => "The last event. Default: the last there is.";

    public static string KmsCommand() => "Administers the embedded KMS: keys, principals, policies, grants, seals, backup.";

    public static string KmsKeysCommand() => "Lists, makes, rotates, disables and deletes KEKs and other keys of the embedded KMS.";

    public static string KmsKeysListCommand() => "Lists keys.";

    public static string KmsKeysCreateCommand() => "Makes a key, and the KMS if there is none.";

    public static string KmsKeysDescribeCommand() => "Shows a key and its versions.";

    public static string KmsKeysRotateCommand() => "Makes the next version of a key, which wraps from then on.";

    public static string KmsKeysEnableCommand() => "Enables a key again.";

    public static string KmsKeysDisableCommand() => "Disables a key.";

    public static string KmsKeysDeleteCommand() => "Schedules the deletion of a key; until then it can be cancelled.";

    public static string KmsKeysCancelDeleteCommand() => "Cancels the deletion of a key. It is disabled then.";

    public static string KmsKeyArgument() => "The key, by name or alias.";

    public static string KmsKeyNameArgument() => "The key's name.";

    public static string AlgorithmOption() => "aes256, ecdsaP256, ecdsaP384, rsaPss2048, rsaPss3072, rsaPss4096 or hmacSha256. Default: aes256, which wraps.";

    public static string RotationPeriodOption() => "Rotate by itself whenever so much time has passed, such as 90d. Default: never.";

    public static string DaysOption() => "In how many days, 7 to 30. Default: 30.";

    public static string KmsPrincipalsCommand() => "Who may use the embedded KMS: named credentials.";

    public static string KmsPrincipalsListCommand() => "Lists principals.";

    public static string KmsPrincipalsCreateCommand() => "Makes a principal, and writes its credential to stdout, once.";

    public static string KmsPrincipalsDisableCommand() => "Disables a principal.";

    public static string KmsPrincipalsRotateCommand() => "Gives a principal a new credential, and writes it to stdout, once.";

    public static string KmsPrincipalsDeleteCommand() => "Deletes a principal.";

    public static string PrincipalArgument() => "The principal's name.";

    public static string OverlapOption() => "For how long the former credential is accepted too, such as 1h. Default: 0s.";

    public static string KmsPoliciesCommand() => "What principals may do, as rules.";

    public static string KmsPoliciesListCommand() => "Lists policies.";

    public static string KmsPoliciesSetCommand() => "Sets a policy from a JSON file.";

    public static string KmsPoliciesDeleteCommand() => "Deletes a policy.";

    public static string KmsPoliciesEnforceCommand() => "Holds root to policies as well, so that keys are used by principals alone.";

    public static string StopEnforcingOption() => "Stop it.";

    public static string PolicyFileArgument() => "The JSON file.";

    public static string PolicyNameOption() => "The policy's name. Default: the file's, without its extension.";

    public static string PolicyArgument() => "The policy's name.";

    public static string KmsGrantsCommand() => "What single principals may do with single keys.";

    public static string KmsGrantsListCommand() => "Lists grants.";

    public static string KmsGrantsAddCommand() => "Grants operations with a key to a principal.";

    public static string KmsGrantsRevokeCommand() => "Revokes a grant, from the next operation on.";

    public static string GrantArgument() => "The grant's id.";

    public static string OperationsOption() => "What is granted, such as Wrap,Unwrap or Generate*.";

    public static string PairsOption() => "A pair that the encryption context must have, such as scope=clinic; may be given several times.";

    public static string ExactlyOption() => "The encryption context must have these pairs and no other.";

    public static string ExpiresOption() => "When the grant ends, from now on, such as 30d. Default: when it is revoked.";

    public static string KmsSimulateCommand() => "Tells whether an operation would be allowed, and by which rule. Exits with 1 if not.";

    public static string OperationArgument() => "The operation, such as Unwrap.";

    public static string KmsSealsCommand() => "What opens the embedded KMS.";

    public static string KmsSealsListCommand() => "Lists seals.";

    public static string KmsSealsAddCommand() => "Adds a seal, beside those there are.";

    public static string KmsSealsRemoveCommand() => "Removes a seal.";

    public static string SealArgument() => "The seal's id.";

    public static string SealKeyFileOption() => "The key file of the new seal.";

    public static string PassphraseFileOption() => "A file whose first line is the passphrase.";

    public static string KmsBackupCommand() => "Writes all keys, principals, rules and the audit trail into a new file, encrypted under a passphrase.";

    public static string KmsRestoreCommand() => "Makes the KMS of a backup, in a new file or an empty database.";

    public static string BackupFileArgument() => "The backup's file.";
}
