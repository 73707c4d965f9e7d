using EfEnvelope.Diagnostics;

namespace EfEnvelope.Keys;

/// <summary>What one key ring serves: a database, a group of columns, a tenant, a data subject.</summary>
public readonly record struct KeyScope
{
    private readonly string? _name;

    private KeyScope(string name, bool reserved) => _name = reserved ? name : throw new ArgumentException(Messages.MalformedScope(name), nameof(name));

    /// <summary>Names a scope.</summary>
    /// <param name="name">1 to 200 letters, digits and <c>. _ / -</c>, starting with a letter or digit.</param>
    /// <exception cref="ArgumentException">The name is malformed.</exception>
    public KeyScope(string name)
        => _name = IsWellFormed(name) ? name : throw new ArgumentException(Messages.MalformedScope(name), nameof(name));

    /// <summary>Gets the name.</summary>
    public string Name => _name ?? throw new InvalidOperationException(Messages.MalformedScope(null));

    /// <inheritdoc />
    public override string ToString() => _name ?? "";

    /// <summary>Gets the scope of the intermediate keys, whose name no application can give.</summary>
    internal static KeyScope Intermediate { get; } = new("~intermediate", reserved: true);

    /// <summary>Gets the scope under which requests to KMSes are counted.</summary>
    internal static KeyScope KmsUsage { get; } = new("~kms", reserved: true);

    /// <summary>Gets whether the scope is EfEnvelope's own.</summary>
    internal bool IsReserved => Name[0] == '~';

    /// <summary>Names a scope as the key store has it, reserved ones included.</summary>
    internal static KeyScope FromStore(string name) => name == Intermediate.Name ? Intermediate : name == KmsUsage.Name ? KmsUsage : new KeyScope(name);

    // ASCII only: the name is a database key, and databases differ in how they fold everything else.
    internal static bool IsWellFormed(string? name)
        => name is { Length: > 0 and <= 200 }
            && char.IsAsciiLetterOrDigit(name[0])
            && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '/' or '-');
}
