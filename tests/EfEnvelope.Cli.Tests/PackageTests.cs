using System.Diagnostics;
using System.IO.Compression;
using System.Xml.Linq;

namespace EfEnvelope.Cli;

/// <summary>What 'dotnet pack' makes of the projects under src.</summary>
public sealed class PackageTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("efenvelope-packages-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Packages_ask_for_exactly_the_packages_of_their_own_release()
    {
        // A tool holds what it needs, and asks for no package. A project that was not built for these tests is left out.
        var projects = Directory.GetFiles(Path.Combine(Root, "src"), "*.csproj", SearchOption.AllDirectories)
            .Where(p => !XDocument.Load(p).Descendants("PackAsTool").Any()).Where(IsBuilt).ToList();
        Assert.Superset(
            (HashSet<string>)["EfEnvelope.Core", "EfEnvelope.EntityFrameworkCore", "EfEnvelope.Kms.Local", "EfEnvelope.Rotation", "EfEnvelope.Sodium"],
            projects.Select(p => Path.GetFileNameWithoutExtension(p)!).ToHashSet());

        await PackAsync(projects);

        var packages = _folder.GetFiles("*.nupkg");
        Assert.Equal(projects.Count, packages.Length);
        var ours = 0;
        foreach (var package in packages)
        {
            var metadata = Nuspec(package).Root!.Elements().Single(e => e.Name.LocalName == "metadata");
            var version = metadata.Elements().Single(e => e.Name.LocalName == "version").Value;
            foreach (var dependency in metadata.Descendants().Where(e => e.Name.LocalName == "dependency"))
            {
                var isOurs = dependency.Attribute("id")!.Value.StartsWith("EfEnvelope.", StringComparison.Ordinal);
                Assert.Equal(isOurs, dependency.Attribute("version")!.Value == $"[{version}]");
                ours += isOurs ? 1 : 0;
            }
        }

        Assert.True(ours >= packages.Length - 1, $"{ours}");
    }

    // Of what was built already, all in one process.
    private async Task PackAsync(IEnumerable<string> projects)
    {
        var list = Path.Combine(_folder.FullName, "pack.proj");
        await File.WriteAllTextAsync(
            list,
            $"""
            <Project>
              <Target Name="Pack">
                <MSBuild Projects="{string.Join(';', projects)}" Targets="Pack"
                    Properties="Configuration={Configuration()};NoBuild=true;PackageOutputPath={_folder.FullName}" />
              </Target>
            </Project>
            """,
            TestContext.Current.CancellationToken);
        string[] arguments = ["msbuild", list, "-t:Pack", "-nologo", "-v:quiet", "-nodeReuse:false", "-tl:off"];
        using var dotnet = Process.Start(new ProcessStartInfo("dotnet", arguments)
        {
            RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Root,
        })!;
        var said = await Task.WhenAll(dotnet.StandardOutput.ReadToEndAsync(), dotnet.StandardError.ReadToEndAsync());
        await dotnet.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(dotnet.ExitCode == 0, string.Concat(said));
    }

    private static string Root
    {
        get
        {
            var folder = AppContext.BaseDirectory;
            while (!File.Exists(Path.Combine(folder, "EfEnvelope.sln")))
                folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("There is no EfEnvelope.sln above these tests.");
            return folder;
        }
    }

    private static bool IsBuilt(string project)
    {
        var output = Path.Combine(Path.GetDirectoryName(project)!, "bin", Configuration());
        return Directory.Exists(output)
            && Directory.GetFiles(output, Path.GetFileNameWithoutExtension(project) + ".dll", SearchOption.AllDirectories).Length > 0;
    }

    private static string Configuration()
        => AppContext.BaseDirectory.Split(Path.DirectorySeparatorChar).Contains("Debug") ? "Debug" : "Release";

    private static XDocument Nuspec(FileInfo package)
    {
        using var zip = ZipFile.OpenRead(package.FullName);
        using var nuspec = zip.Entries.Single(e => e.FullName.EndsWith(".nuspec", StringComparison.Ordinal)).Open();
        return XDocument.Load(nuspec);
    }
}
