namespace EfEnvelope.Kms.Local.Audit;

// Every text about the audit trail, in three beats: what, whose, how to mend. What an audit finds is said in one sentence each.
internal static class LocalKmsAuditMessages
{
    public static string NoCheckpoint()
        => "The text is not a checkpoint of an audit trail. Give a line of an export whose type is 'checkpoint', or what 'CheckpointAsync' returned.";

    public static string PageSize(int size)
        => $"A page of {size} events cannot be read. Ask for 1 to 1,000.";

    public static string Damaged(string file)
        => $"The audit trail of the KMS '{file}' was altered, so nothing can be recorded in it, and nothing is done unrecorded. Find where with "
            + "'Audit.VerifyAsync()' or 'efenvelope audit verify', then restore the KMS from a backup.";

    public static string DamagedAt(string file, long sequence)
        => $"The audit trail of the KMS '{file}' was altered at event {sequence}, so it is exported no further. Look closer with 'Audit.VerifyAsync()' or 'efenvelope audit verify'.";

    public static string EventMissing(long sequence) => $"Event {sequence} is missing.";

    public static string EventAltered(long sequence) => $"Event {sequence} was altered, inserted or moved.";

    public static string EventAppended(long sequence) => $"Event {sequence} was appended by a hand without the seal.";

    public static string HeadAltered(long last)
        => $"The row that says where the trail ends was altered or removed: after event {last}, others may be missing.";

    public static string KeyAltered() => "The key that signs checkpoints was replaced or removed.";

    public static string KeyRowAltered(string key) => $"The row of the key '{key}' was altered or inserted by a hand without the seal.";

    public static string CheckpointMissing(long sequence) => $"The checkpoint at event {sequence} is missing.";

    public static string CheckpointAltered(long sequence) => $"The checkpoint at event {sequence} was altered or inserted.";

    public static string ExpectedForeign() => "The expected checkpoint was not signed by the key of this KMS.";

    public static string RolledBack(long sequence, long end)
        => $"The expected checkpoint covers event {sequence}, but the trail ends at {end}: an older copy of the KMS was put back.";

    public static string OtherHistory(long sequence)
        => $"Event {sequence} is not the one that the expected checkpoint covers: the trail was put back to an older copy, and went on from there.";
}
