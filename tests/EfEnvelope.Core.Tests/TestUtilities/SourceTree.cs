namespace EfEnvelope.Tests;

/// <summary>Finds what lies beside the tests in the source tree.</summary>
internal static class SourceTree
{
    public static string Root { get; } = FindUpwards("EfEnvelope.sln")
        ?? throw new InvalidOperationException("These tests read the source tree, and there is no EfEnvelope.sln above them.");

    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    /// <summary>Finds a file of published vectors, or skips the test.</summary>
    public static string RequireVectors(string name)
    {
        var folder = Environment.GetEnvironmentVariable("EFENVELOPE_SHARED") is { Length: > 0 } shared
            ? Path.Combine(shared, "vectors")
            : FindUpwards(Path.Combine("shared", "vectors")) is { } found ? Path.Combine(found, "shared", "vectors") : null;
        var path = folder is null ? null : Path.Combine(folder, name);
        Assert.SkipUnless(
            File.Exists(path), $"There is no 'shared/vectors/{name}' above the tests, and EFENVELOPE_SHARED does not name its folder.");
        return path!;
    }

    private static string? FindUpwards(string name)
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (Path.Exists(Path.Combine(folder, name)))
                return folder;
        }

        return null;
    }
}
