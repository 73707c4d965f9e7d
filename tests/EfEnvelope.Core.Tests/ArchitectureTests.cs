using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace EfEnvelope.Tests;

/// <summary>Arrows run one way: read from the source tree, compared with the diagram below.</summary>
public partial class ArchitectureTests
{
    private static readonly string[] KmsProjects =
        ["EfEnvelope.Kms.Local", "EfEnvelope.Kms.Aws", "EfEnvelope.Kms.Azure", "EfEnvelope.Kms.GoogleCloud", "EfEnvelope.Kms.Oci", "EfEnvelope.Kms.Vault", "EfEnvelope.Kms.Pkcs11"];

    // Core <- { EntityFrameworkCore, Kms.*, Sodium } <- Rotation <- Cli; and Testing, on Core, which nothing of ours refers to
    private static readonly Dictionary<string, string[]> Projects = new Dictionary<string, string[]>
    {
        ["EfEnvelope.Core"] = [],
        ["EfEnvelope.Sodium"] = ["EfEnvelope.Core"],
        ["EfEnvelope.Testing"] = ["EfEnvelope.Core"],
        ["EfEnvelope.EntityFrameworkCore"] = ["EfEnvelope.Core"],
        ["EfEnvelope.Rotation"] = ["EfEnvelope.Core", "EfEnvelope.EntityFrameworkCore", .. KmsProjects],
        ["EfEnvelope.Cli"] = ["EfEnvelope.Core", "EfEnvelope.EntityFrameworkCore", "EfEnvelope.Rotation", "EfEnvelope.Sodium", .. KmsProjects],
    }.Concat(KmsProjects.Select(kms => KeyValuePair.Create<string, string[]>(kms, ["EfEnvelope.Core"]))).ToDictionary();

    // Diagnostics <- Kms <- Keys <- Envelopes <- BlindIndexes <- the root of Core
    private static readonly Dictionary<string, string[]> Rooms = new()
    {
        ["Diagnostics"] = [],
        ["Kms"] = ["Diagnostics"],
        ["Keys"] = ["Diagnostics", "Kms"],
        ["Envelopes"] = ["Diagnostics", "Kms", "Keys"],
        ["BlindIndexes"] = ["Diagnostics", "Kms", "Keys", "Envelopes"],
        [""] = ["Diagnostics", "Kms", "Keys", "Envelopes", "BlindIndexes"],
    };

    // What every room may know of the root: the options and choices are plain data, and the exceptions are defined in Diagnostics.
    private static readonly string[] RootTypesForAll = ["EnvelopeOptions", "Normalization", "BlindIndexProjection"];

    // What a programmer does wrong, or a platform type demands; no user meets their texts.
    private static readonly string[] MayHaveLiteralTexts =
    [
        nameof(ArgumentException), nameof(ArgumentNullException), nameof(ArgumentOutOfRangeException), nameof(InvalidOperationException),
        nameof(NotSupportedException), nameof(ObjectDisposedException), nameof(FormatException), "UnreachableException",
    ];

    private static readonly string Source = Path.Combine(SourceTree.Root, "src");

    [Fact]
    public void Every_project_under_src_is_in_the_diagram()
        => Assert.Empty(ProjectFiles().Select(p => Path.GetFileNameWithoutExtension(p)!).Except(Projects.Keys));

    [Fact]
    public void Project_references_run_along_the_arrows()
    {
        var found = 0;
        foreach (var file in ProjectFiles())
        {
            var name = Path.GetFileNameWithoutExtension(file);
            foreach (var include in XDocument.Load(file).Descendants("ProjectReference").Select(r => r.Attribute("Include")!.Value))
            {
                var target = Path.GetFileNameWithoutExtension(include.Replace('\\', '/'));
                Assert.True(Projects[name].Contains(target), $"{name} must not refer to {target}.");
                found++;
            }
        }

        Assert.True(found > 0);
    }

    [Fact]
    public void Core_refers_to_no_package_of_a_vendor_and_not_to_ef_core()
    {
        string[] allowed = ["Microsoft.Extensions.Caching.Memory", "Microsoft.Extensions.Logging.Abstractions"];
        var packages = XDocument.Load(Path.Combine(Source, "EfEnvelope.Core", "EfEnvelope.Core.csproj")).Descendants("PackageReference")
            .Select(p => p.Attribute("Include")!.Value);

        Assert.Empty(packages.Except(allowed));
    }

    [Fact]
    public void Namespaces_of_core_use_only_what_lies_below_them()
    {
        var types = typeof(EnvelopeOptions).Assembly.GetTypes();
        var rooted = types.Where(t => t.Namespace == "EfEnvelope" && !t.IsNested && !typeof(Exception).IsAssignableFrom(t))
            .Select(t => t.Name).Except(RootTypesForAll).ToHashSet();
        var uses = 0;
        foreach (var (room, file, text) in CoreSources())
        {
            foreach (var used in UsedRooms(text, types).Where(used => used != room))
            {
                Assert.True(Rooms.ContainsKey(used), $"{file} uses EfEnvelope.{used}, which is not in the diagram.");
                Assert.True(Rooms[room].Contains(used), $"{file} uses EfEnvelope.{used}, which does not lie below {room}.");
                uses++;
            }

            if (room.Length > 0)
                Assert.DoesNotContain(Words().Matches(text).Select(m => m.Value), rooted.Contains);
        }

        Assert.True(uses > 10);
    }

    [Fact]
    public void Namespace_is_the_folder()
    {
        foreach (var (room, file, text) in CoreSources())
        {
            // The exceptions are what users catch, so they stand in the namespace that users have.
            var expected = file == "EnvelopeException.cs" || room.Length == 0 ? "EfEnvelope" : $"EfEnvelope.{room}";
            Assert.Contains($"\nnamespace {expected};\n", "\n" + text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void No_public_type_is_in_an_internal_namespace()
        => Assert.DoesNotContain(
            typeof(EnvelopeOptions).Assembly.GetExportedTypes(), t => t.Namespace!.Split('.').Contains("Internal"));

    [Fact]
    public void No_public_signature_of_core_has_a_type_of_a_vendor()
    {
        var seen = new HashSet<Type>();
        foreach (var type in typeof(EnvelopeOptions).Assembly.GetExportedTypes())
        {
            Collect(type.BaseType, seen);
            foreach (var parent in type.GetInterfaces())
                Collect(parent, seen);
            foreach (var member in type.GetMembers(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly))
            {
                if (member is MethodBase { IsPublic: true } or MethodBase { IsFamily: true })
                {
                    foreach (var parameter in ((MethodBase)member).GetParameters())
                        Collect(parameter.ParameterType, seen);
                    Collect((member as MethodInfo)?.ReturnType, seen);
                }

                if (member is FieldInfo { IsPublic: true } field)
                    Collect(field.FieldType, seen);
            }
        }

        Assert.Contains(typeof(Microsoft.Extensions.Logging.ILoggerFactory), seen);
        Assert.Empty(seen.Where(t => !t.IsGenericParameter && !IsOurs(t.Namespace!)).Select(t => t.FullName));

        static bool IsOurs(string name)
            => name is "System" or "EfEnvelope" or "Microsoft.Extensions.Logging"
                || name.StartsWith("System.", StringComparison.Ordinal) || name.StartsWith("EfEnvelope.", StringComparison.Ordinal);
    }

    [Fact]
    public void Texts_of_exceptions_stand_in_the_message_files()
    {
        var found = 0;
        foreach (var file in Sources(Source).Where(f => !Path.GetFileName(f).EndsWith("Messages.cs", StringComparison.Ordinal)))
        {
            var text = WithoutComments(File.ReadAllText(file));
            foreach (var match in NewException().Matches(text).Cast<Match>())
            {
                found++;
                var arguments = WithoutMessages(Arguments(text, match.Index + match.Length));
                if (!MayHaveLiteralTexts.Contains(match.Groups[1].Value))
                    Assert.False(arguments.Contains('"'), $"{Path.GetFileName(file)}: new {match.Groups[1].Value}({arguments})");
            }
        }

        Assert.True(found > 20);
    }

    private static IEnumerable<string> ProjectFiles() => Sources(Source, "*.csproj");

    private static IEnumerable<string> Sources(string folder, string pattern = "*.cs")
        => Directory.EnumerateFiles(folder, pattern, SearchOption.AllDirectories).Where(
            f => !Path.GetRelativePath(folder, f).Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj"));

    private static IEnumerable<(string Room, string File, string Text)> CoreSources()
    {
        var core = Path.Combine(Source, "EfEnvelope.Core");
        foreach (var file in Sources(core))
        {
            var parts = Path.GetRelativePath(core, file).Split(Path.DirectorySeparatorChar);
            var room = parts.Length == 1 ? "" : parts[0];
            Assert.True(Rooms.ContainsKey(room), $"The folder '{room}' of Core is not in the diagram.");
            yield return (room, parts[^1], WithoutComments(File.ReadAllText(file)));
        }
    }

    private static IEnumerable<string> UsedRooms(string text, Type[] types)
    {
        var named = Qualified().Matches(text).Select(m => m.Groups[1].Value);

        // 'Keys.KeyRing' inside the namespace EfEnvelope is the type; 'Keys.Count' is somebody's property.
        var relative = Relative().Matches(text).Where(m => types.Any(t => t.Namespace == $"EfEnvelope.{m.Groups[1].Value}" && t.Name == m.Groups[2].Value))
            .Select(m => m.Groups[1].Value);
        return named.Concat(relative).Distinct();
    }

    private static string WithoutComments(string text)
        => string.Join('\n', text.ReplaceLineEndings("\n").Split('\n').Where(line => !line.TrimStart().StartsWith("//", StringComparison.Ordinal)));

    private static string Arguments(string text, int start)
    {
        var depth = 1;
        var end = start;
        for (; end < text.Length && depth > 0; end++)
            depth += text[end] == '(' ? 1 : text[end] == ')' ? -1 : 0;
        return text[start..(end - 1)];
    }

    // What a message is told, such as a name put together of two, is no text of its own.
    private static string WithoutMessages(string arguments)
    {
        while (Message().Match(arguments) is { Success: true } match)
        {
            var told = Arguments(arguments, match.Index + match.Length);
            arguments = arguments.Remove(match.Index, match.Length + told.Length + 1);
        }

        return arguments;
    }

    private static void Collect(Type? type, HashSet<Type> seen)
    {
        if (type is null || !seen.Add(type))
            return;
        Collect(type.GetElementType(), seen);
        foreach (var argument in type.GetGenericArguments())
            Collect(argument, seen);
    }

    [GeneratedRegex(@"new (\w*Exception)\(")]
    private static partial Regex NewException();

    [GeneratedRegex(@"\b\w*Messages\.\w+\(")]
    private static partial Regex Message();

    [GeneratedRegex(@"(?:using |global::|[^\w.]|using static )EfEnvelope\.(\w+)(?=[.;\s(<])(?<!namespace EfEnvelope\.\w+)")]
    private static partial Regex Qualified();

    [GeneratedRegex(@"(?<![\w.?!])(Diagnostics|Kms|Keys|Envelopes|BlindIndexes)\.(\w+)")]
    private static partial Regex Relative();

    [GeneratedRegex(@"\b[A-Z]\w+\b")]
    private static partial Regex Words();
}
