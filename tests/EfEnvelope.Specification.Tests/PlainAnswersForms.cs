using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Specification;

/// <summary>One query over parcels and their parts, to be asked of plain and of encrypted tables.</summary>
/// <param name="Label">What it is.</param>
/// <param name="Query">The query, or its result.</param>
/// <param name="Refused">The kind that refuses it, or 'both'; <see langword="null" /> where both answer.</param>
/// <param name="Hint">What the refusal says.</param>
public sealed record PlainAnswersForm(string Label, Func<IQueryable<Parcel>, IQueryable<Part>, object?> Query, string? Refused = null, string? Hint = null);

/// <summary>Queries in which null, booleans, casts and choices matter.</summary>
public static class PlainAnswersForms
{
    private static readonly List<int> Ints = [1, 3, 99999];

    public static IReadOnlyList<PlainAnswersForm> All { get; } =
    [
        new("HasValue", (c, p) => Ids(c, r => r.Maybe.HasValue)),
        new("!HasValue", (c, p) => Ids(c, r => !r.Maybe.HasValue)),
        new("!= null", (c, p) => Ids(c, r => r.Maybe != null)),
        new("HasValue &&", (c, p) => Ids(c, r => r.Maybe.HasValue && r.Id > 1)),
        new("HasValue ? :", (c, p) => Ids(c, r => (r.Maybe.HasValue ? r.Maybe.Value : r.Flag))),
        new("!Next.Flag", (c, p) => Ids(c, r => !r.Next!.Flag)),
        new("Next.Flag", (c, p) => Ids(c, r => r.Next!.Flag)),
        new("!(Next.Flag == true)", (c, p) => Ids(c, r => !(r.Next!.Flag == true))),
        new("Next.Flag == false", (c, p) => Ids(c, r => r.Next!.Flag == false)),
        new("!(Next.Flag == false)", (c, p) => Ids(c, r => !(r.Next!.Flag == false))),
        new("!Maybe.Value", (c, p) => Ids(c, r => !r.Maybe!.Value)),
        new("Maybe.Value", (c, p) => Ids(c, r => r.Maybe!.Value)),
        new("!!Maybe.Value", (c, p) => Ids(c, r => !!r.Maybe!.Value)),
        new("!(Maybe.Value && Flag)", (c, p) => Ids(c, r => !(r.Maybe!.Value && r.Flag))),
        new("!(Maybe.Value || Flag)", (c, p) => Ids(c, r => !(r.Maybe!.Value || r.Flag))),
        new("(bool?)(Maybe == true) HasValue", (c, p) => Ids(c, r => ((bool?)(r.Maybe == true)).HasValue)),
        new("(bool?)!Flag HasValue", (c, p) => Ids(c, r => ((bool?)!r.Next!.Flag).HasValue)),
        new("(bool?)Next.Flag HasValue", (c, p) => Ids(c, r => ((bool?)r.Next!.Flag).HasValue)),
        new("(bool)(object)", (c, p) => Ids(c, r => !(bool)(object)r.Next!.Flag)),
        new("Maybe ?? false", (c, p) => Ids(c, r => r.Maybe ?? false)),
        new("!(Maybe ?? false)", (c, p) => Ids(c, r => !(r.Maybe ?? false))),
        new("!(Maybe ?? true)", (c, p) => Ids(c, r => !(r.Maybe ?? true))),
        new("(Maybe ?? Flag)", (c, p) => Ids(c, r => (r.Maybe ?? r.Flag))),
        new("(Maybe ?? false) == true", (c, p) => Ids(c, r => (r.Maybe ?? false) == Given(true))),
        new("Flag ?", (c, p) => Ids(c, r => (r.Id > 2 ? r.Flag : r.Maybe!.Value))),
        new("!(?:)", (c, p) => Ids(c, r => !(r.Id > 2 ? r.Flag : r.Maybe!.Value))),
        Refused("Select !Flag", "both", "compute with it", (c, p) => c.OrderBy(r => r.Id).Select(r => !r.Flag)),
        Refused("Select Flag &&", "both", "compute with it", (c, p) => c.OrderBy(r => r.Id).Select(r => r.Flag && r.Id > 1)),
        new("Select Flag ? 1 : 0", (c, p) => c.OrderBy(r => r.Id).Select(r => r.Flag ? 1 : 0)),
        new("Select !Flag ? 1 : 0", (c, p) => c.OrderBy(r => r.Id).Select(r => !r.Flag ? 1 : 0)),
        new("Select !Next.Flag ? 1 : 0", (c, p) => c.OrderBy(r => r.Id).Select(r => !r.Next!.Flag ? 1 : 0)),
        new("All Flag", (c, p) => c.All(r => r.Flag)),
        new("All Maybe.Value", (c, p) => c.Where(r => r.Id != 2).All(r => r.Maybe!.Value)),
        new("All Next.Flag", (c, p) => Ids(c, r => c.All(x => x.Next!.Flag))),
        new("All !Next.Flag", (c, p) => c.Where(x => x.NextId == null).All(x => !x.Next!.Flag)),
        new("Any New", (c, p) => Ids(c, r => r.Parts.Any(q => q.New))),
        new("Any New == true", (c, p) => Ids(c, r => r.Parts.Any(q => q.New == true))),
        new("Any !New", (c, p) => Ids(c, r => r.Parts.Any(q => !q.New))),
        new("All New", (c, p) => Ids(c, r => r.Parts.All(q => q.New))),
        new("Any Old.Value", (c, p) => Ids(c, r => r.Parts.Any(q => q.Old!.Value))),
        new("All Old.Value", (c, p) => Ids(c, r => r.Parts.All(q => q.Old!.Value))),
        new("Select New Contains true", (c, p) => Ids(c, r => r.Parts.Select(q => q.New).Contains(true))),
        new("Select(New).FirstOrDefault()", (c, p) => Ids(c, r => r.Parts.OrderBy(q => q.Id).Select(q => q.New).FirstOrDefault())),
        new("Select(New).Any(b=>b)", (c, p) => Ids(c, r => r.Parts.Select(q => q.New).Any(b => b))),
        new("Count(New)", (c, p) => Ids(c, r => r.Parts.Count(q => q.New) == 1)),
        new("Join const", (c, p) => c.Join(p, r => r.Region, q => "OR", (r, q) => r.Id * 10 + q.Id).OrderBy(x => x)),
        new("Join const l", (c, p) => c.Join(p, r => "OR", q => q.Text, (r, q) => r.Id * 10 + q.Id).OrderBy(x => x)),
        new("Join param", (c, p) => { var s = "OR"; return c.Join(p, r => r.Region, q => s, (r, q) => r.Id * 10 + q.Id).OrderBy(x => x); }),
        new("Join null param", (c, p) => { string? s = null; return c.Join(p, r => r.Region, q => s, (r, q) => r.Id * 10 + q.Id).OrderBy(x => x); }),
        new("LeftJoin const", (c, p) => p.LeftJoin(c, q => "OR", r => r.Region, (q, r) => q.Id * 10 + (r == null ? 0 : r.Id)).OrderBy(x => x)),
        new("Join pair const", (c, p) => c.Join(p, r => new { A = r.Region, B = r.Id }, q => new { A = (string?)"OR", B = q.ParcelId }, (r, q) => r.Id * 10 + q.Id).OrderBy(x => x)),
        new("Join col", (c, p) => c.Join(p, r => r.Region, q => q.Text, (r, q) => r.Id * 10 + q.Id).OrderBy(x => x)),
        new("SelectMany DefaultIfEmpty const", (c, p) => c.SelectMany(r => p.Where(q => q.Text == "OR").DefaultIfEmpty(), (r, q) => r.Id * 10 + (q == null ? 0 : q.Id)).OrderBy(x => x)),
        new("coalesce", (c, p) => Ids(c, r => (r.Region ?? "OR") == "OR")),
        new("coalesce !=", (c, p) => Ids(c, r => (r.Region ?? "OR") != "OR")),
        new("coalesce param", (c, p) => { var s = "OR"; return Ids(c, r => (r.Region ?? s) == s); }),
        new("coalesce other", (c, p) => Ids(c, r => (r.Region ?? "WA") == "OR")),
        new("coalesce null param", (c, p) => { string? s = null; return Ids(c, r => (r.Region ?? "WA") == s); }),
        new("?: form", (c, p) => Ids(c, r => (r.Region == null ? "OR" : r.Region) == "OR")),
        new("?: form != null", (c, p) => Ids(c, r => (r.Region != null ? r.Region : "OR") == "OR")),
        new("?: form !=", (c, p) => Ids(c, r => (r.Region != null ? r.Region : "OR") != "OR")),
        new("?: id", (c, p) => Ids(c, r => (r.Id > 2 ? r.Region : "OR") == "OR")),
        new("?: id null", (c, p) => Ids(c, r => (r.Id > 2 ? r.Region : null) == "OR")),
        new("?: two columns", (c, p) => Ids(c, r => (r.Id > 2 ? r.Region : r.Code) == "OR")),
        new("coalesce two columns", (c, p) => Ids(c, r => (r.Region ?? r.Code) == "OR")),
        new("coalesce Contains", (c, p) => { var l = new[] { "OR", "x" }; return Ids(c, r => l.Contains(r.Region ?? "OR")); }),
        new("coalesce num", (c, p) => Ids(c, r => (r.Number ?? 1) == 1)),
        new("GetValueOrDefault num", (c, p) => Ids(c, r => r.Number.GetValueOrDefault() == 0)),
        Refused("coalesce enc plain", "both", "compare it", (c, p) => Ids(c, r => (r.Region ?? r.Name) == "OR")),
        new("Contains null", (c, p) => c.Select(x => x.Region).Contains(null)),
        new("Contains null sub", (c, p) => Ids(c, r => r.Parts.Select(x => x.Text).Contains(null))),
        new("cast last projection", (c, p) => c.OrderBy(r => r.Id).Select(r => (long)r.Level)),
        new("cast last projection double", (c, p) => c.OrderBy(r => r.Id).Select(r => (double)r.Level)),
        new("cast last projection int?", (c, p) => c.OrderBy(r => r.Id).Select(r => (long?)r.Number)),
        new("cast last projection short", (c, p) => c.OrderBy(r => r.Id).Select(r => (int)r.Qty)),
        Refused("cast narrowing", "both", "compute with it", (c, p) => c.OrderBy(r => r.Id).Select(r => (byte)r.Level)),
        new("cast then where", (c, p) => c.Select(r => new { r.Id, L = (long)r.Level }).Where(x => x.L == 1).OrderBy(x => x.Id)),
        Refused("Distinct", "Indexed", "Select the key", (c, p) => c.Select(r => r.Region).Distinct().ToList().OrderBy(x => x)),
        Refused("Distinct Count", "Indexed", "Select the key", (c, p) => c.Select(r => r.Region).Distinct().Count()),
        Refused("Distinct two", "Indexed", "Select the key", (c, p) => c.Select(r => new { r.Region, r.Number }).Distinct().ToList().OrderBy(x => x.Region).ThenBy(x => x.Number)),
        Refused("GroupBy", "Indexed", "group by it", (c, p) => c.GroupBy(r => r.Region).Select(g => new { g.Key, C = g.Count() }).ToList().OrderBy(x => x.Key)),
        Refused("GroupBy mult", "Indexed", "group by it", (c, p) => c.GroupBy(r => new { r.Region, r.Level }).Select(g => new { g.Key.Region, g.Key.Level, C = g.Count() }).ToList().OrderBy(x => x.Region).ThenBy(x => x.Level)),
        Refused("GroupBy count distinct", "Indexed", "group by it", (c, p) => c.GroupBy(r => r.Level).Select(g => new { g.Key, C = g.Select(r => r.Region).Distinct().Count() }).ToList().OrderBy(x => x.Key)),
        Refused("GroupBy having", "Indexed", "group by it", (c, p) => c.GroupBy(r => r.Region).Where(g => g.Count() > 1).Select(g => g.Key).ToList().OrderBy(x => x)),
        Refused("GroupBy key ==", "Indexed", "group by it", (c, p) => c.GroupBy(r => r.Region).Where(g => g.Key == "OR").Select(g => g.Count())),
        Refused("GroupBy to list", "both", "order by it", (c, p) => c.GroupBy(r => r.Region).ToList().Select(g => g.Key + g.Count()).OrderBy(x => x)),
        Refused("GroupBy first", "Indexed", "group by it", (c, p) => c.GroupBy(r => r.Region).Select(g => g.OrderBy(x => x.Id).First().Id).ToList().OrderBy(x => x)),
        Refused("Union", "Indexed", "Select the key", (c, p) => c.Select(r => r.Region).Union(c.Select(r => r.Region)).ToList().OrderBy(x => x)),
        Refused("Union 2", "Indexed", "Select the key", (c, p) => c.Select(r => r.Region).Union(p.Select(r => r.Text)).ToList().OrderBy(x => x)),
        Refused("Except", "Indexed", "Select the key", (c, p) => c.Select(r => r.Region).Except(p.Select(r => r.Text)).ToList().OrderBy(x => x)),
        new("list int Contains short", (c, p) => Ids(c, r => Ints.Contains(r.Qty))),
        new("list int Contains tiny", (c, p) => Ids(c, r => Ints.Contains(r.Tiny))),
        new("list int Contains long", (c, p) => { var l = new List<long> { 1, 3 }; return Ids(c, r => l.Contains(r.Level)); }),
        new("list int? Contains", (c, p) => { var l = new List<int?> { 1, null }; return Ids(c, r => l.Contains(r.Qty)); }),
        new("inline int Contains short", (c, p) => Ids(c, r => new[] { 1, 3 }.Contains(r.Qty))),
        new("inline int param Contains short", (c, p) => { var x = 3; return Ids(c, r => new[] { 1, x }.Contains(r.Qty)); }),
        new("uint == int", (c, p) => { var x = 1; return Ids(c, r => r.Count == x); }),
        new("uint == int const", (c, p) => Ids(c, r => r.Count == 1)),
        new("uint == -1", (c, p) => { var x = -1; return Ids(c, r => r.Count == x); }),
        new("short == long", (c, p) => { var x = 1L; return Ids(c, r => r.Qty == x); }),
        new("short == long const", (c, p) => Ids(c, r => r.Qty == 1L)),
        new("short == int", (c, p) => { var x = 1; return Ids(c, r => r.Qty == x); }),
        new("short != int", (c, p) => { var x = 1; return Ids(c, r => r.Qty != x); }),
        new("short == 70000", (c, p) => { var x = 70000; return Ids(c, r => r.Qty == x); }),
        new("short != 70000", (c, p) => { var x = 70000; return Ids(c, r => r.Qty != x); }),
        new("byte == 300", (c, p) => { var x = 300; return Ids(c, r => r.Tiny == x); }),
        new("sbyte == 300", (c, p) => { var x = 300; return Ids(c, r => r.Signed == x); }),
        new("char == 70000", (c, p) => { var x = 70000; return Ids(c, r => r.Letter == x); }),
        new("char == a", (c, p) => Ids(c, r => r.Letter == 'a')),
        new("int == long", (c, p) => { var x = 1L; return Ids(c, r => r.Level == x); }),
        new("int == long big", (c, p) => { var x = 1L << 40; return Ids(c, r => r.Level == x); }),
        new("int? == long", (c, p) => { var x = 1L; return Ids(c, r => r.Number == x); }),
        new("int? != long", (c, p) => { var x = 1L; return Ids(c, r => r.Number != x); }),
        new("int == double", (c, p) => { var x = 1.0; return Ids(c, r => r.Level == x); }),
        new("int == decimal", (c, p) => { var x = 1.5m; return Ids(c, r => r.Level == x); }),
        Refused("int == col short", "both", "encrypted for different columns", (c, p) => Ids(c, r => r.Level == r.Qty)),

        // Writing
        new("ExecuteDelete by HasValue", (c, p) => Change(c, () => p.Where(q => q.Old.HasValue).ExecuteDelete(), _ => p.OrderBy(q => q.Id).Select(q => q.Id))),
        new("ExecuteDelete by a negated bool", (c, p) => Change(c, () => p.Where(q => !q.Old!.Value).ExecuteDelete(), _ => p.OrderBy(q => q.Id).Select(q => q.Id))),
        new("ExecuteUpdate of a short to an int", (c, p) => Change(c, () => c.Where(r => r.Id == 1).ExecuteUpdate(s => s.SetProperty(r => r.Qty, 12)), x => x.Where(r => r.Qty == 12).Select(r => r.Qty))),
        new("ExecuteUpdate of a byte to an int", (c, p) => Change(c, () => c.Where(r => r.Id == 1).ExecuteUpdate(s => s.SetProperty(r => r.Tiny, 7)), x => x.Where(r => r.Tiny == 7).Select(r => r.Tiny))),
        new("ExecuteUpdate of a signed byte to an int", (c, p) => Change(c, () => c.Where(r => r.Id == 1).ExecuteUpdate(s => s.SetProperty(r => r.Signed, -7)), x => x.Where(r => r.Signed == -7).Select(r => r.Signed))),
        new("ExecuteUpdate of a long to an int", (c, p) => Change(c, () => c.Where(r => r.Id == 1).ExecuteUpdate(s => s.SetProperty(r => r.Large, 7)), x => x.Where(r => r.Large == 7).Select(r => r.Large))),
        new("ExecuteUpdate of a value object", (c, p) => Change(c, () => c.Where(r => r.Id == 1).ExecuteUpdate(s => s.SetProperty(r => r.Office, new Office("south"))), x => x.Where(r => r.Office == "south").Select(r => r.Id))),

        // Value objects and enumerations
        new("value object == text", (c, p) => Ids(c, r => r.Office == "north")),
        new("value object != text", (c, p) => Ids(c, r => r.Office != "north")),
        new("value object == parameter", (c, p) => Ids(c, r => r.Office == Given("north"))),
        new("value object == value object", (c, p) => Ids(c, r => r.Office == new Office("north"))),
        new("value object as a text in the last projection", (c, p) => c.Where(r => r.Id == 1).Select(r => (string?)r.Office)),
        new("enum ==", (c, p) => Ids(c, r => r.Grade == Grade.B)),
        new("enum as a number ==", (c, p) => Ids(c, r => (int)r.Grade == 1)),
        new("enum as a number in the last projection", (c, p) => c.OrderBy(r => r.Id).Select(r => (int)r.Grade)),
        new("list of enums", (c, p) => Given(new[] { Grade.B }) is var grades ? Ids(c, r => grades.Contains(r.Grade)) : null),
        Refused("text of an enum", "both", "compute with it", (c, p) => Ids(c, r => r.Grade.ToString().Contains("B"))),

        // Lists of another type
        new("list of longs", (c, p) => Given(new List<long> { 1, 1L << 40 }) is var longs ? Ids(c, r => longs.Contains(r.Level)) : null),
        new("list of longs and null", (c, p) => Given(new List<long?> { 1, null }) is var longs ? Ids(c, r => longs.Contains(r.Number)) : null),
        new("negated list of longs and null", (c, p) => Given(new List<long?> { 1, null }) is var longs ? Ids(c, r => !longs.Contains(r.Number)) : null),
        new("one list for two columns", (c, p) => Given(new List<string?> { "OR", "WA" }) is var texts ? Ids(c, r => texts.Contains(r.Region) || texts.Contains(r.Code) || texts.Contains(r.Name)) : null),
    ];

    // Reached through a method, so EF Core makes it a parameter instead of a constant.
    private static T Given<T>(T value) => Environment.ProcessId == 0 ? default! : value;

    private static IQueryable<int> Ids(IQueryable<Parcel> parcels, System.Linq.Expressions.Expression<Func<Parcel, bool>> condition)
        => parcels.Where(condition).OrderBy(r => r.Id).Select(r => r.Id);

    private static object? Change<T>(IQueryable<Parcel> parcels, Func<int> change, Func<IQueryable<Parcel>, IQueryable<T>> look) => (change(), string.Join(",", look(parcels)));

    private static PlainAnswersForm Refused(string label, string kind, string hint, Func<IQueryable<Parcel>, IQueryable<Part>, object?> query)
        => new(label, query, kind, hint);
}
