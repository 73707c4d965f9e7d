using Xunit;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>Sample databases that lie beside the repository, in the folder that EFENVELOPE_SHARED names or in 'shared' above it.</summary>
public static class SharedData
{
    /// <summary>Finds a file of the Chinook sample database, or skips the test.</summary>
    public static string Chinook(string file)
    {
        var path = Roots().Select(root => Path.Combine(root, "data", "chinook", file)).FirstOrDefault(File.Exists);
        Assert.SkipWhen(path is null, $"'shared/data/chinook/{file}' was not found above the tests, nor through EFENVELOPE_SHARED.");
        return path;
    }

    private static IEnumerable<string> Roots()
    {
        if (Environment.GetEnvironmentVariable("EFENVELOPE_SHARED") is { Length: > 0 } given)
            yield return given;
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            yield return Path.Combine(folder.FullName, "shared");
    }
}
