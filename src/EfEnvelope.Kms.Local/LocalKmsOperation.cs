namespace EfEnvelope.Kms.Local;

/// <summary>What can be asked of an embedded KMS: the words of its policies, grants and audit events.</summary>
public enum LocalKmsOperation
{
    /// <summary>Makes a key.</summary>
    CreateKey,

    /// <summary>Describes a key, its versions, aliases and tags.</summary>
    DescribeKey,

    /// <summary>Lists keys.</summary>
    ListKeys,

    /// <summary>Changes the tags or the description of a key.</summary>
    TagKey,

    /// <summary>Points an alias to a key, or removes it.</summary>
    SetAlias,

    /// <summary>Enables a key or a version.</summary>
    EnableKey,

    /// <summary>Disables a key or a version.</summary>
    DisableKey,

    /// <summary>Rotates a key, or sets how often that happens by itself.</summary>
    RotateKey,

    /// <summary>Schedules the deletion of a key.</summary>
    ScheduleKeyDeletion,

    /// <summary>Cancels the deletion of a key.</summary>
    CancelKeyDeletion,

    /// <summary>Destroys the material of a key whose deletion is due.</summary>
    DestroyKey,

    /// <summary>Hands out a wrapping key for an import, or imports a key.</summary>
    ImportKey,

    /// <summary>Wraps a key.</summary>
    Wrap,

    /// <summary>Unwraps a key.</summary>
    Unwrap,

    /// <summary>Wraps a key anew without handing it out.</summary>
    Rewrap,

    /// <summary>Makes a data key and wraps it.</summary>
    GenerateDataKey,

    /// <summary>Encrypts up to 4,096 bytes.</summary>
    Encrypt,

    /// <summary>Decrypts them.</summary>
    Decrypt,

    /// <summary>Signs.</summary>
    Sign,

    /// <summary>Verifies a signature.</summary>
    Verify,

    /// <summary>Makes a message authentication code.</summary>
    GenerateMac,

    /// <summary>Verifies one.</summary>
    VerifyMac,

    /// <summary>Returns the public key of a signing key.</summary>
    GetPublicKey,

    /// <summary>Changes principals, policies or grants.</summary>
    ManageAccess,

    /// <summary>Reads, verifies or exports the audit trail.</summary>
    ReadAudit,

    /// <summary>Adds, removes or lists seals.</summary>
    ManageSeals,

    /// <summary>Writes a backup.</summary>
    Backup,

    /// <summary>Restores a backup into an empty store.</summary>
    Restore,
}
