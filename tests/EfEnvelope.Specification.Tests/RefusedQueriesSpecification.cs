using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>
/// Every use of a randomized property that the database cannot serve is refused before anything is sent, with the property's name
/// and a way out. None returns rows.
/// </summary>
public abstract class RefusedQueriesSpecification(TestDatabase database) : ClinicSpecification(database)
{
    private const string InMemory = "AsEnumerable()";
    private const string Keyed = "Select the key";
    private const string ValueOnly = "can set it to a value only";
    private const string NoCopy = "Read it and write it in the application";
    private const string TwoQueries = "Run two queries";

    private static readonly string[] Names = ["ssn-1", "ssn-2"];
    private static readonly List<string> Ssns = ["ssn-1", "ssn-2"];
    private static readonly string Ssn = "ssn-1";

    // Label, property, hint, form.
    private static readonly Form[] Forms =
    [
        // Comparisons
        new("== constant", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn == "ssn-1")),
        new("== parameter", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn == Parameter())),
        new("== with the sides exchanged", "Patient.Ssn", InMemory, db => db.Patients.Where(p => Ssn == p.Ssn)),
        new("!= parameter", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn != Ssn)),
        new("== a null in a parameter or a value", "Patient.Note", InMemory, db => db.Patients.Where(p => p.Note == "note-1" || p.Note == null)),
        new("negated ==", "Patient.Ssn", InMemory, db => db.Patients.Where(p => !(p.Ssn == Ssn))),
        new("< on a number", "Patient.Age", InMemory, db => db.Patients.Where(p => p.Age < 40)),
        new("<= on a nullable number", "Patient.Score", InMemory, db => db.Patients.Where(p => p.Score <= 10)),
        new("> on a decimal", "Patient.Balance", InMemory, db => db.Patients.Where(p => p.Balance > 1m)),
        new(">= on a date", "Patient.Born", InMemory, db => db.Patients.Where(p => p.Born >= DateTime.UnixEpoch)),
        new("between two dates", "Patient.Seen", InMemory, db => db.Patients.Where(p => p.Seen > new DateOnly(2020, 1, 1) && p.Seen < new DateOnly(2030, 1, 1))),
        new("Equals", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn.Equals(Ssn))),
        new("string.Equals", "Patient.Ssn", InMemory, db => db.Patients.Where(p => string.Equals(p.Ssn, Ssn))),
        new("object.Equals", "Patient.Age", InMemory, db => db.Patients.Where(p => Equals(p.Age, 36))),
        new("string.Compare", "Patient.Ssn", InMemory, db => db.Patients.Where(p => string.Compare(p.Ssn, Ssn) > 0)),
        new("CompareTo", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn.CompareTo(Ssn) == 0)),
        new("== on a Guid", "Patient.Token", InMemory, db => db.Patients.Where(p => p.Token == Guid.Empty)),
        new("== on bytes", "Patient.Photo", InMemory, db => db.Patients.Where(p => p.Photo == new byte[] { 1, 2, 3 })),
        new("SequenceEqual on bytes", "Patient.Photo", InMemory, db => db.Patients.Where(p => p.Photo!.SequenceEqual(new byte[] { 1, 2, 3 }))),
        new("== on a list", "Patient.Tags", InMemory, db => db.Patients.Where(p => p.Tags == new List<string> { "x" })),
        new("== on an enum", "Patient.Marks", InMemory, db => db.Patients.Where(p => p.Marks == Marks.Red)),
        new("nullable Value ==", "Patient.Score", InMemory, db => db.Patients.Where(p => p.Score!.Value == 10)),
        new("GetValueOrDefault", "Patient.Score", InMemory, db => db.Patients.Where(p => p.Score.GetValueOrDefault() == 10)),
        new("EF.Property", "Patient.Ssn", InMemory, db => db.Patients.Where(p => EF.Property<string>(p, "Ssn") == Ssn)),
        new("EF.Constant", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn == EF.Constant(Ssn))),
        new("EF.Parameter", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn == EF.Parameter(Ssn))),
        new("EF.Functions.Collate", "Patient.Ssn", InMemory, db => db.Patients.Where(p => EF.Functions.Collate(p.Ssn, "C") == Ssn)),

        // Lists and subqueries
        new("list.Contains", "Patient.Ssn", InMemory, db => db.Patients.Where(p => Ssns.Contains(p.Ssn))),
        new("array.Contains", "Patient.Ssn", InMemory, db => db.Patients.Where(p => ((IEnumerable<string>)Names).Contains(p.Ssn))),
        new("inline Contains", "Patient.Ssn", InMemory, db => db.Patients.Where(p => new List<string> { "ssn-1", "ssn-2" }.Contains(p.Ssn))),
        new("negated Contains", "Patient.Ssn", InMemory, db => db.Patients.Where(p => !Ssns.Contains(p.Ssn))),
        new("Contains of EF.Constant", "Patient.Ssn", InMemory, db => db.Patients.Where(p => EF.Constant(Ssns).Contains(p.Ssn))),
        new("Contains of EF.Parameter", "Patient.Ssn", InMemory, db => db.Patients.Where(p => EF.Parameter(Ssns).Contains(p.Ssn))),
        new("list.Any of equal", "Patient.Ssn", InMemory, db => db.Patients.Where(p => Ssns.Any(s => s == p.Ssn))),
        new("list.All of different", "Patient.Ssn", InMemory, db => db.Patients.Where(p => Ssns.All(s => s != p.Ssn))),
        new("subquery Contains", "Patient.Ssn", InMemory, db => db.Patients.Where(p => db.Patients.Select(x => x.Ssn).Contains(p.Ssn))),
        new("subquery Contains of a plain column", "Patient.Ssn", InMemory, db => db.Patients.Where(p => db.Doctors.Select(x => x.Name).Contains(p.Ssn))),
        new("plain column in an encrypted subquery", "Patient.Ssn", InMemory, db => db.Patients.Where(p => db.Patients.Select(x => x.Ssn).Contains(p.Name))),
        new("parameter in an encrypted subquery", "Patient.Ssn", InMemory, db => db.Doctors.Where(d => d.Patients.Select(x => x.Ssn).Contains(Ssn))),
        new("Select().Contains at the end", "Patient.Ssn", InMemory, db => db.Patients.Select(p => p.Ssn).Contains(Ssn)),
        new("Any with a comparison at the end", "Patient.Ssn", InMemory, db => db.Patients.Any(p => p.Ssn == Ssn)),
        new("All with a comparison at the end", "Patient.Age", InMemory, db => db.Patients.All(p => p.Age > 0)),
        new("Count with a comparison at the end", "Patient.Ssn", InMemory, db => db.Patients.Count(p => p.Ssn == Ssn)),
        new("Single with a comparison", "Patient.Ssn", InMemory, db => db.Patients.SingleOrDefault(p => p.Ssn == Ssn)),
        new("comparison of a first in a subquery", "Visit.Finding", InMemory, db => db.Patients.Where(p => p.Visits.OrderBy(v => v.Id).Select(v => v.Finding).FirstOrDefault() == "finding-1")),
        new("comparison in a collection's Any", "Visit.Finding", InMemory, db => db.Patients.Where(p => p.Visits.Any(v => v.Finding == "finding-1"))),
        new("comparison in a collection's Count", "Visit.Finding", InMemory, db => db.Patients.Select(p => p.Visits.Count(v => v.Finding == "finding-1"))),
        new("comparison through a reference", "Doctor.License", InMemory, db => db.Patients.Where(p => p.Doctor!.License == "license-1")),

        // Text
        new("StartsWith", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn.StartsWith("ssn"))),
        new("EndsWith a parameter", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn.EndsWith(Ssn))),
        new("string.Contains", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn.Contains("sn"))),
        new("string.Contains of an empty text", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn.Contains(p.Name))),
        new("EF.Functions.Like", "Patient.Ssn", InMemory, db => db.Patients.Where(p => EF.Functions.Like(p.Ssn, "ssn%"))),
        new("plain column like an encrypted one", "Patient.Ssn", InMemory, db => db.Patients.Where(p => EF.Functions.Like(p.Name, p.Ssn))),
        new("IsNullOrEmpty", "Patient.Note", InMemory, db => db.Patients.Where(p => string.IsNullOrEmpty(p.Note))),
        new("IsNullOrWhiteSpace", "Patient.Note", InMemory, db => db.Patients.Where(p => string.IsNullOrWhiteSpace(p.Note))),
        new("Length", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn.Length == 5)),
        new("Length of bytes", "Patient.Photo", InMemory, db => db.Patients.Where(p => p.Photo!.Length == 3)),
        new("Contains of a byte", "Patient.Photo", InMemory, db => db.Patients.Where(p => p.Photo!.Contains((byte)1))),
        new("first byte", "Patient.Photo", InMemory, db => db.Patients.Where(p => p.Photo!.First() == 1)),
        new("byte at an index", "Patient.Photo", InMemory, db => db.Patients.Where(p => p.Photo![0] == 1)),
        new("Length in a projection", "Patient.Ssn", InMemory, db => db.Patients.Select(p => p.Ssn.Length)),
        new("Substring", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn.Substring(0, 3) == "ssn")),
        new("Substring in a projection", "Patient.Ssn", InMemory, db => db.Patients.Select(p => p.Ssn.Substring(1))),
        new("IndexOf", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn.IndexOf("s") == 0)),
        new("ToUpper", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn.ToUpper() == "SSN-1")),
        new("ToLower in a projection", "Patient.Ssn", InMemory, db => db.Patients.Select(p => p.Ssn.ToLower())),
        new("Trim", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn.Trim() == Ssn)),
        new("Replace", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn.Replace("s", "") == Ssn)),
        new("concatenation", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn + "!" == "ssn-1!")),
        new("concatenation in a projection", "Patient.Ssn", InMemory, db => db.Patients.Select(p => p.Name + " " + p.Ssn)),
        new("string.Concat", "Patient.Ssn", InMemory, db => db.Patients.Where(p => string.Concat(p.Name, p.Ssn) == Ssn)),
        new("aggregate string.Join", "Patient.Ssn", InMemory, db => db.Patients.GroupBy(p => p.DoctorId).Select(g => string.Join(",", g.Select(p => p.Ssn)))),

        // Columns with columns
        new("compared with a plain column", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn == p.Name)),
        new("compared with an encrypted column", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn == p.Alias)),
        new("compared with itself", "Patient.Ssn", InMemory, db => db.Patients.Where(p => db.Patients.Any(x => x.Id != p.Id && x.Ssn == p.Ssn))),
        new("joined on", "Patient.Ssn", InMemory, db => db.Patients.Join(db.Doctors, p => p.Ssn, d => d.Name, (p, d) => p.Id)),
        new("joined with an encrypted column", "Patient.Ssn", InMemory, db => db.Patients.Join(db.Doctors, p => p.Ssn, d => d.License, (p, d) => p.Id)),
        new("joined on a composite key", "Patient.Ssn", InMemory, db => db.Patients.Join(db.Doctors, p => new { A = p.Id, B = p.Ssn }, d => new { A = d.Id, B = d.Name }, (p, d) => p.Id)),
        new("left joined on", "Patient.Ssn", InMemory, db => db.Patients.LeftJoin(db.Doctors, p => p.Ssn, d => d.Name, (p, d) => p.Id)),
        new("group joined on", "Patient.Ssn", InMemory, db => db.Patients.GroupJoin(db.Doctors, p => p.Ssn, d => d.License, (p, ds) => new { p, ds }).SelectMany(x => x.ds.DefaultIfEmpty(), (x, d) => x.p.Id)),

        // Grouping, ordering, aggregates
        new("GroupBy", "Patient.Ssn", InMemory, db => db.Patients.GroupBy(p => p.Ssn).Select(g => g.Count())),
        new("GroupBy with the key", "Patient.Ssn", InMemory, db => db.Patients.GroupBy(p => p.Ssn).Select(g => new { g.Key, Count = g.Count() })),
        new("GroupBy of a composite key", "Patient.Ssn", InMemory, db => db.Patients.GroupBy(p => new { p.Name, p.Ssn }).Select(g => g.Key.Name)),
        new("GroupBy at the end", "Patient.Ssn", InMemory, db => db.Patients.GroupBy(p => p.Ssn)),
        new("OrderBy", "Patient.Ssn", InMemory, db => db.Patients.OrderBy(p => p.Ssn)),
        new("OrderByDescending with Take", "Patient.Age", InMemory, db => db.Patients.OrderByDescending(p => p.Age).Take(1)),
        new("ThenBy", "Patient.Ssn", InMemory, db => db.Patients.OrderBy(p => p.Name).ThenBy(p => p.Ssn)),
        new("OrderBy after a projection", "Patient.Ssn", InMemory, db => db.Patients.Select(p => new { p.Id, S = p.Ssn }).OrderBy(x => x.S)),
        new("OrderBy of a reference", "Doctor.License", InMemory, db => db.Patients.OrderBy(p => p.Doctor!.License)),
        new("OrderBy inside an include", "Visit.Finding", InMemory, db => db.Patients.Include(p => p.Visits.OrderBy(v => v.Finding).Take(1))),
        new("OrderBy inside a split include", "Visit.Finding", InMemory, db => db.Patients.Include(p => p.Visits.OrderBy(v => v.Finding)).AsSplitQuery()),
        new("comparison inside a filtered include", "Visit.Finding", InMemory, db => db.Patients.Include(p => p.Visits.Where(v => v.Finding == "finding-1"))),
        new("comparison inside a split filtered include", "Visit.Finding", InMemory, db => db.Patients.Include(p => p.Visits.Where(v => v.Finding == "finding-1")).AsSplitQuery()),
        new("Last by", "Patient.Ssn", InMemory, db => db.Patients.OrderBy(p => p.Ssn).Last()),
        new("MaxBy by an ordering", "Patient.Age", InMemory, db => db.Patients.OrderByDescending(p => p.Age).Select(p => p.Name).First()),
        new("Max", "Patient.Age", InMemory, db => db.Patients.Max(p => p.Age)),
        new("Min of a text", "Patient.Ssn", InMemory, db => db.Patients.Min(p => p.Ssn)),
        new("Select().Max", "Patient.Born", InMemory, db => db.Patients.Select(p => p.Born).Max()),
        new("Sum", "Patient.Age", InMemory, db => db.Patients.Sum(p => p.Age)),
        new("Sum of nullables", "Patient.Score", InMemory, db => db.Patients.Sum(p => p.Score)),
        new("Average", "Patient.Weight", InMemory, db => db.Patients.Average(p => p.Weight)),
        new("Max in a group", "Patient.Age", InMemory, db => db.Patients.GroupBy(p => p.DoctorId).Select(g => g.Max(p => p.Age))),
        new("Max in a subquery", "Patient.Age", InMemory, db => db.Doctors.Select(d => d.Patients.Max(p => (int?)p.Age))),
        new("Sum with a comparison", "Patient.Age", InMemory, db => db.Patients.Sum(p => p.Age > 40 ? 1 : 0)),
        new("Count of distinct values", "Patient.Ssn", Keyed, db => db.Patients.Select(p => p.Ssn).Distinct().Count()),
        new("Count of distinct values in a group", "Patient.Ssn", InMemory, db => db.Patients.GroupBy(p => p.DoctorId).Select(g => g.Select(p => p.Ssn).Distinct().Count())),

        // Sets
        new("Distinct", "Patient.Ssn", Keyed, db => db.Patients.Select(p => p.Ssn).Distinct()),
        new("Distinct beside a plain column", "Patient.Ssn", Keyed, db => db.Patients.Select(p => new { p.Name, p.Ssn }).Distinct()),
        new("Distinct in a subquery", "Visit.Finding", Keyed, db => db.Patients.Select(p => new { p.Id, Findings = p.Visits.Select(v => v.Finding).Distinct().ToList() })),
        new("Distinct of a null test's coalesce", "Patient.Note", Keyed, db => db.Patients.Select(p => p.Note ?? "none").Distinct()),
        new("DistinctBy through GroupBy", "Patient.Ssn", InMemory, db => db.Patients.GroupBy(p => p.Ssn).Select(g => g.OrderBy(p => p.Id).First())),
        new("Union of values", "Patient.Ssn", Keyed, db => db.Patients.Select(p => p.Ssn).Union(db.Patients.Select(p => p.Ssn))),
        new("Intersect of values", "Patient.Ssn", Keyed, db => db.Patients.Select(p => p.Ssn).Intersect(db.Patients.Select(p => p.Ssn))),
        new("Except of values", "Patient.Ssn", Keyed, db => db.Patients.Select(p => p.Ssn).Except(db.Patients.Select(p => p.Ssn))),
        new("Concat of two columns", "Patient.Ssn", TwoQueries, db => db.Patients.Select(p => p.Ssn).Concat(db.Doctors.Select(d => d.License))),
        new("Concat of two columns of one row", "Patient.Ssn", TwoQueries, db => db.Patients.Select(p => new { p.Id, X = p.Ssn }).Concat(db.Patients.Select(p => new { p.Id, X = p.Alias! }))),
        new("Concat of encrypted and plain bytes", "Patient.Photo", InMemory, db => db.Patients.Select(p => p.Photo).Concat(db.Patients.Select(p => p.Thumb))),
        new("Concat of plain and encrypted bytes", "Patient.Photo", InMemory, db => db.Patients.Select(p => p.Thumb).Concat(db.Patients.Select(p => p.Photo))),
        new("Concat of a null and an encrypted value", "Patient.Ssn", InMemory, db => db.Patients.Select(p => (string?)null).Concat(db.Patients.Select(p => (string?)p.Ssn))),
        new("Concat of a null and an encrypted value beside the key", "Patient.Score", InMemory, db => db.Patients.Select(p => new { p.Id, S = (int?)null }).Concat(db.Patients.Select(p => new { p.Id, S = p.Score }))),
        new("Concat of nulls, then of an encrypted value", "Patient.Ssn", InMemory, db => db.Patients.Select(p => (string?)null).Concat(db.Patients.Select(p => (string?)null)).Concat(db.Patients.Select(p => (string?)p.Ssn))),
        new("Concat of a null and a Concat of encrypted values", "Patient.Ssn", InMemory, db => db.Patients.Select(p => (string?)null).Concat(db.Patients.Select(p => (string?)p.Ssn).Concat(db.Patients.Select(p => (string?)p.Ssn)))),
        new("Concat of a null and an encrypted value, then where", "Patient.Ssn", InMemory, db => db.Patients.Select(p => (string?)null).Concat(db.Patients.Select(p => (string?)p.Ssn)).Where(s => s != null)),
        new("Concat of a null and encrypted bytes", "Patient.Photo", InMemory, db => db.Patients.Select(p => (byte[]?)null).Concat(db.Patients.Select(p => p.Photo))),
        new("Union of plain and encrypted bytes beside the key", "Patient.Photo", InMemory, db => db.Patients.Select(p => new { p.Id, X = p.Thumb }).Union(db.Patients.Select(p => new { p.Id, X = p.Photo }))),
        new("Union of two tables that share a context", "Letter.Text", Keyed, db => db.Letters.Select(l => new { l.Id, l.Text }).Union(db.Archive.Select(a => new { a.Id, a.Text }))),
        new("Intersect of two tables that share a context", "Letter.Text", Keyed, db => db.Letters.Select(l => new { l.Id, l.Text }).Intersect(db.Archive.Select(a => new { a.Id, a.Text }))),
        new("Except of two tables that share a context", "Letter.Text", Keyed, db => db.Letters.Select(l => new { l.Id, l.Text }).Except(db.Archive.Select(a => new { a.Id, a.Text }))),
        new("Distinct of a Concat of two tables that share a context", "Letter.Text", Keyed, db => db.Letters.Select(l => new { l.Id, l.Text }).Concat(db.Archive.Select(a => new { a.Id, a.Text })).Distinct()),
        new("Union with a Concat of two tables that share a context", "Letter.Text", Keyed, db => db.Letters.Select(l => new { l.Id, l.Text }).Concat(db.Archive.Select(a => new { a.Id, a.Text })).Union(db.Letters.Select(l => new { l.Id, l.Text }))),
        new("Union of rows whose keys stand elsewhere", "Visit.Finding", Keyed, db => db.Visits.Select(v => new { A = v.Id, B = v.PatientId, v.Finding }).Union(db.Visits.Select(v => new { A = v.PatientId, B = v.Id, v.Finding }))),
        new("Distinct beside the key of another row", "Visit.Finding", Keyed, db => db.Visits.SelectMany(v => db.Visits, (v, w) => new { v.Id, w.Finding }).Take(5).Distinct()),

        // Arithmetic, dates, enums, booleans, casts
        new("arithmetic", "Patient.Age", InMemory, db => db.Patients.Where(p => p.Age + 1 == 37)),
        new("arithmetic in a projection", "Patient.Balance", InMemory, db => db.Patients.Select(p => p.Balance * 2)),
        new("negation", "Patient.Age", InMemory, db => db.Patients.Select(p => -p.Age)),
        new("Math.Abs", "Patient.Age", InMemory, db => db.Patients.Where(p => Math.Abs(p.Age) > 1)),
        new("Math.Round", "Patient.Weight", InMemory, db => db.Patients.Where(p => Math.Round(p.Weight) == 60)),
        new("part of a date", "Patient.Born", InMemory, db => db.Patients.Where(p => p.Born.Year == 1815)),
        new("part of a date in a projection", "Patient.Born", InMemory, db => db.Patients.OrderBy(p => p.Id).Select(p => p.Born.Month)),
        new("day of a nullable date", "Patient.Seen", InMemory, db => db.Patients.Where(p => p.Seen!.Value.Day == 29)),
        new("AddDays", "Patient.Born", InMemory, db => db.Patients.Where(p => p.Born.AddDays(1) > DateTime.UnixEpoch)),
        new("HasFlag", "Patient.Marks", InMemory, db => db.Patients.Where(p => p.Marks.HasFlag(Marks.Red))),
        new("bitwise and", "Patient.Marks", InMemory, db => db.Patients.Where(p => (p.Marks & Marks.Red) == Marks.Red)),
        new("bitwise or of numbers", "Patient.Age", InMemory, db => db.Patients.Where(p => (p.Age | 1) == 37)),
        new("enum ToString", "Patient.Marks", InMemory, db => db.Patients.Where(p => p.Marks.ToString() == "Red")),
        new("bool predicate", "Patient.IsVip", InMemory, db => db.Patients.Where(p => p.IsVip)),
        new("negated bool predicate", "Patient.IsVip", InMemory, db => db.Patients.Where(p => !p.IsVip)),
        new("bool == true", "Patient.IsVip", InMemory, db => db.Patients.Where(p => p.IsVip == true)),
        new("nullable bool == true", "Patient.Consents", InMemory, db => db.Patients.Where(p => p.Consents == true)),
        new("negated bool in a projection", "Patient.IsVip", InMemory, db => db.Patients.Select(p => !p.IsVip)),
        new("bool and bool in a projection", "Patient.IsVip", InMemory, db => db.Patients.Select(p => p.IsVip && p.Id > 1)),
        new("comparison in a projection", "Patient.Ssn", InMemory, db => db.Patients.Select(p => new { p.Id, Found = p.Ssn == Ssn })),
        new("cast to another number", "Patient.Age", InMemory, db => db.Patients.Where(p => (long)p.Age == 36L)),
        new("cast to a narrower number in a projection", "Patient.Age", InMemory, db => db.Patients.Select(p => (byte)p.Age)),
        new("cast of an enum", "Patient.Marks", InMemory, db => db.Patients.Where(p => (int)p.Marks == 1)),
        new("cast to object", "Patient.Ssn", InMemory, db => db.Patients.Where(p => (object)p.Ssn == (object)Ssn)),
        new("ToString of a number", "Patient.Age", InMemory, db => db.Patients.Where(p => p.Age.ToString() == "36")),
        new("Convert", "Patient.Age", InMemory, db => db.Patients.Where(p => Convert.ToInt64(p.Age) == 36L)),

        // Detours
        new("anonymous projection, then where", "Patient.Ssn", InMemory, db => db.Patients.Select(p => new { p.Id, S = p.Ssn }).Where(x => x.S == Ssn)),
        new("DTO projection, then where", "Patient.Ssn", InMemory, db => db.Patients.Select(p => new Row { Id = p.Id, Text = p.Ssn }).Where(x => x.Text == Ssn)),
        new("let", "Patient.Ssn", InMemory, db => from p in db.Patients let s = p.Ssn where s == Ssn select p.Id),
        new("pushed down by Take, then where", "Patient.Ssn", InMemory, db => db.Patients.OrderBy(p => p.Id).Take(2).Where(p => p.Ssn == Ssn)),
        new("through DefaultIfEmpty", "Doctor.License", InMemory, db => from p in db.Patients from d in db.Doctors.Where(d => d.Id == p.DoctorId).DefaultIfEmpty() where d.License == "license-1" select p.Id),
        new("coalesce, then compare", "Patient.Note", InMemory, db => db.Patients.Where(p => (p.Note ?? "none") == "none")),
        new("coalesce with a plain column", "Patient.Note", InMemory, db => db.Patients.Select(p => p.Note ?? p.Name)),
        new("coalesce with an encrypted column", "Patient.Note", TwoQueries, db => db.Patients.Select(p => p.Note ?? p.Ssn)),
        new("ternary, then compare", "Patient.Ssn", InMemory, db => db.Patients.Where(p => (p.Id == 1 ? p.Ssn : "none") == Ssn)),
        new("ternary of two columns", "Patient.Ssn", TwoQueries, db => db.Patients.Select(p => p.Id == 1 ? p.Ssn : p.Alias)),
        new("ternary with a plain column", "Patient.Ssn", InMemory, db => db.Patients.Select(p => p.Id == 1 ? p.Ssn : p.Name)),
        new("ternary on a comparison", "Patient.Ssn", InMemory, db => db.Patients.Select(p => p.Ssn == Ssn ? 1 : 0)),
        new("ternary of plain and encrypted bytes", "Patient.Photo", InMemory, db => db.Patients.Select(p => p.Id == 1 ? p.Thumb : p.Photo)),
        new("coalesce of plain and encrypted bytes", "Patient.Photo", InMemory, db => db.Patients.Select(p => p.Thumb ?? p.Photo)),
        new("equality of complex types", "Patient.Home#Home.Street", InMemory, db => db.Patients.Where(p => p.Home == new Home { City = "London", Street = "street-1" })),
        new("equality of complex columns", "Patient.Home#Home.Street", InMemory, db => db.Patients.Where(p => db.Patients.Any(x => x.Home == p.Home))),
        new("property of a complex type", "Patient.Home#Home.Street", InMemory, db => db.Patients.Where(p => p.Home.Street == "street-1")),
        new("Distinct of a complex type", "Patient.Home#Home.Street", Keyed, db => db.Patients.Select(p => p.Home).Distinct()),
        new("property of an owned type", "Contact.Phone", InMemory, db => db.Patients.Where(p => p.Contact!.Phone == "phone-1")),
        new("column shared by siblings", "Nurse.Badge", InMemory, db => db.Staff.OfType<Nurse>().Where(n => n.Badge == "badge-1")),
        new("column shared by siblings, through a cast", "Nurse.Badge", InMemory, db => db.Staff.Where(s => ((Nurse)s).Badge == "badge-1")),
        new("composed over raw SQL", "Patient.Ssn", InMemory, db => db.Patients.FromSqlRaw("SELECT * FROM \"Patients\"").Where(p => p.Ssn == Ssn)),
        new("values compared with a row", "Patient.Ssn", InMemory, db => db.Patients.Where(p => new[] { p.Name, p.Ssn }.Contains("Ada"))),
        new("greatest of two columns", "Patient.Age", InMemory, db => db.Patients.OrderBy(p => p.Id).Select(p => Math.Max(p.Age, p.Id))),

        // Bulk changes
        new("ExecuteDelete with a comparison", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn == Ssn).ExecuteDelete()),
        new("ExecuteUpdate with a comparison", "Patient.Ssn", InMemory, db => db.Patients.Where(p => p.Ssn == Ssn).ExecuteUpdate(s => s.SetProperty(p => p.Name, "x"))),
        new("ExecuteUpdate from a plain column", "Patient.Ssn", ValueOnly, db => db.Patients.ExecuteUpdate(s => s.SetProperty(p => p.Ssn, p => p.Name))),
        new("ExecuteUpdate from an encrypted column", "Patient.Ssn", ValueOnly, db => db.Patients.ExecuteUpdate(s => s.SetProperty(p => p.Ssn, p => p.Alias))),
        new("ExecuteUpdate from itself", "Patient.Ssn", ValueOnly, db => db.Patients.ExecuteUpdate(s => s.SetProperty(p => p.Ssn, p => p.Ssn))),
        new("ExecuteUpdate with an expression", "Patient.Age", ValueOnly, db => db.Patients.ExecuteUpdate(s => s.SetProperty(p => p.Age, p => p.Age + 1))),
        new("ExecuteUpdate with a concatenation", "Patient.Ssn", ValueOnly, db => db.Patients.ExecuteUpdate(s => s.SetProperty(p => p.Ssn, p => p.Name + "!"))),
        new("ExecuteUpdate with a condition", "Patient.Ssn", ValueOnly, db => db.Patients.ExecuteUpdate(s => s.SetProperty(p => p.Ssn, p => p.Id == 1 ? "a" : "b"))),
        new("ExecuteUpdate with a subquery", "Patient.Ssn", ValueOnly, db => db.Patients.ExecuteUpdate(s => s.SetProperty(p => p.Ssn, p => db.Doctors.Select(d => d.License).First()))),
        new("ExecuteUpdate of a plain column from an encrypted one", "Patient.Ssn", NoCopy, db => db.Patients.ExecuteUpdate(s => s.SetProperty(p => p.Name, p => p.Ssn))),
        new("ExecuteUpdate of plain bytes from encrypted ones", "Patient.Photo", NoCopy, db => db.Patients.ExecuteUpdate(s => s.SetProperty(p => p.Thumb, p => p.Photo))),
        new("ExecuteUpdate of encrypted bytes from plain ones", "Patient.Photo", ValueOnly, db => db.Patients.ExecuteUpdate(s => s.SetProperty(p => p.Photo, p => p.Thumb))),
        new("ExecuteUpdate of a plain column by a comparison", "Patient.Ssn", NoCopy, db => db.Patients.ExecuteUpdate(s => s.SetProperty(p => p.Name, p => p.Ssn == "ssn-1" ? "a" : "b"))),
        new("ExecuteUpdate of a complex type from another row", "Patient.Home#Home.Street", ValueOnly, db => db.Patients.ExecuteUpdate(s => s.SetProperty(p => p.Home, p => p.Home))),
    ];

    // EF Core itself does not translate these, whatever is encrypted: it says so, without the property's name.
    private static readonly Form[] Untranslatable =
    [
        new("List.Contains inside an encrypted collection", "Patient.Tags", "could not be translated", db => db.Patients.Where(p => p.Tags.Contains("x"))),
        new("List.Count of an encrypted collection", "Patient.Tags", "could not be translated", db => db.Patients.Where(p => p.Tags.Count == 2)),
        new("List.Any inside an encrypted collection", "Patient.Tags", "could not be translated", db => db.Patients.Where(p => p.Tags.Any(t => t == "x"))),
        new("index into an encrypted collection", "Patient.Tags", "could not be translated", db => db.Patients.Where(p => p.Tags[0] == "x")),
        new("string.Equals with a comparison", "Patient.Ssn", "could not be translated", db => db.Patients.Where(p => p.Ssn.Equals(Ssn, StringComparison.OrdinalIgnoreCase))),
        new("SelectMany of an encrypted collection", "Patient.Tags", "could not be translated", db => db.Patients.SelectMany(p => p.Tags)),
        new("MaxBy", "Patient.Age", "could not be translated", db => db.Patients.MaxBy(p => p.Age)),
        new("DistinctBy", "Patient.Ssn", "could not be translated", db => db.Patients.DistinctBy(p => p.Ssn)),
    ];

    public static TheoryData<string> Labels => new(Forms.Select(f => f.Label));

    public static TheoryData<string> UntranslatableLabels => new(Untranslatable.Select(f => f.Label));

    /// <summary>Gets the forms that a provider's EF Core does not translate at all, and what it says.</summary>
    protected virtual IReadOnlyDictionary<string, string> UntranslatableHere { get; } = new Dictionary<string, string>();

    /// <summary>Gets the forms that a provider's EF Core computes in memory, from values that the database only returned, and the right answer.</summary>
    protected virtual IReadOnlyDictionary<string, object[]> ComputedInMemoryHere { get; } = new Dictionary<string, object[]>();

    [Theory]
    [MemberData(nameof(Labels))]
    public async Task A_query_that_the_database_cannot_answer_is_refused(string label)
    {
        var form = Forms.Single(f => f.Label == label);
        await using var db = Open();
        if (ComputedInMemoryHere.TryGetValue(label, out var answer))
        {
            Assert.SkipUnless(Database.Exists, "There is no database to answer.");
            Assert.Equal(answer, ((System.Collections.IEnumerable)form.Query(db)!).Cast<object>());
            return;
        }

        var e = Assert.ThrowsAny<Exception>(() => Run(form.Query(db)));
        if (e is not EnvelopeConfigurationException && UntranslatableHere.TryGetValue(label, out var message))
        {
            Assert.Contains(message, Assert.IsType<InvalidOperationException>(e).Message);
        }
        else
        {
            var refused = e as EnvelopeConfigurationException;
            Assert.True(refused is not null, $"Not refused as it should be: {e}");
            Assert.Contains($"'{form.Property}'", refused.Message);
            Assert.Contains(form.Hint, refused.Message);
            Assert.DoesNotContain("ssn-1", refused.Message);
        }

        Assert.Empty(Recorder.Commands);
    }

    [Theory]
    [MemberData(nameof(UntranslatableLabels))]
    public async Task A_query_that_EF_Core_cannot_translate_returns_nothing(string label)
    {
        var form = Untranslatable.Single(f => f.Label == label);
        await using var db = Open();
        var e = Assert.ThrowsAny<Exception>(() => Run(form.Query(db)));
        if (e is EnvelopeConfigurationException)
            Assert.Contains($"'{form.Property}'", e.Message);
        else
            Assert.Contains(form.Hint, Assert.IsType<InvalidOperationException>(e).Message);
        Assert.Empty(Recorder.Commands);
    }

    [Fact]
    public async Task Asynchronous_queries_are_refused_alike()
    {
        await using var db = Open();
        await AssertRefusedAsync(() => db.Patients.Where(p => p.Ssn == Ssn).ToListAsync());
        await AssertRefusedAsync(() => db.Patients.SingleAsync(p => p.Ssn == Ssn));
        await AssertRefusedAsync(() => db.Patients.AnyAsync(p => p.Ssn == Ssn));
        await AssertRefusedAsync(() => db.Patients.OrderBy(p => p.Ssn).FirstAsync());
        await AssertRefusedAsync(() => db.Patients.MaxAsync(p => p.Ssn));
        await AssertRefusedAsync(() => db.Patients.Where(p => p.Ssn == Ssn).ExecuteDeleteAsync());
        await AssertRefusedAsync(() => db.Patients.ExecuteUpdateAsync(s => s.SetProperty(p => p.Ssn, p => p.Name)));
        await AssertRefusedAsync(
            async () =>
            {
                await foreach (var patient in db.Patients.Where(p => p.Ssn == Ssn).AsAsyncEnumerable())
                    Assert.Fail($"{patient.Id} was returned.");
            });
        await AssertRefusedAsync(() => Task.FromResult(EF.CompileQuery((ClinicContext c, string s) => c.Patients.Where(p => p.Ssn == s))(db, Ssn).ToList()));
        await AssertRefusedAsync(() => EF.CompileAsyncQuery((ClinicContext c, string s) => c.Patients.SingleOrDefault(p => p.Ssn == s))(db, Ssn));
        Assert.Empty(Recorder.Commands);

        static async Task AssertRefusedAsync(Func<Task> query)
            => Assert.Contains("'Patient.Ssn'", (await Assert.ThrowsAsync<EnvelopeConfigurationException>(query)).Message);
    }

    [Fact]
    public async Task A_refusal_advises_only_what_the_property_can_do()
    {
        await using var db = Open();

        var complex = Refusal(db.Patients.Where(p => p.Home.Street == "street-1"));
        Assert.Contains("use 'EncryptionMode.Deterministic', or map its type with 'OwnsOne'", complex, StringComparison.Ordinal);
        var sum = Refusal(db.Patients.Select(p => p.Name + " " + p.Ssn));
        Assert.Contains("an interpolated string works, because it is made in memory: '$\"{x.Ssn} …\"'", sum, StringComparison.Ordinal);

        static string Refusal(IQueryable query) => Assert.Throws<EnvelopeConfigurationException>(() => query.ToQueryString()).Message;
    }

    [Fact]
    public async Task An_interpolated_string_in_the_last_projection_is_made_in_memory()
    {
        Assert.SkipUnless(Database.Exists, "There is no database to answer.");
        await using var db = Open();

        Assert.Equal(["Ada ssn-1", "Alan ssn-2", "Grace ssn-3"], await db.Patients.OrderBy(p => p.Id).Select(p => $"{p.Name} {p.Ssn}").ToListAsync());
    }

    [Fact]
    public void Every_member_of_dates_times_and_texts_is_refused_by_the_name_of_the_property()
    {
        var faults = new List<string>();
        var tried = 0;
        using var db = new RefusedMembers.MomentsContext(Options<RefusedMembers.MomentsContext>());
        foreach (var (property, member, condition) in RefusedMembers.FindConditions())
        {
            tried++;
            try
            {
                faults.Add($"{member}: {db.Moments.Where(condition).ToQueryString()}");
            }
            catch (EnvelopeConfigurationException e) when (e.Message.Contains($"'{property}'", StringComparison.Ordinal) && e.Message.Contains(InMemory, StringComparison.Ordinal))
            {
            }
            catch (Exception e)
            {
                faults.Add($"{member}: {e.GetType().Name} {e.Message}");
            }
        }

        Assert.Equal([], faults);
        Assert.True(tried > 150, $"Only {tried} members were tried.");
    }

    [Fact]
    public void Every_form_has_a_label_of_its_own()
        => Assert.Equal(Forms.Length + Untranslatable.Length, Forms.Concat(Untranslatable).Select(f => f.Label).Distinct().Count());

    private static string Parameter() => Ssn;

    private static void Run(object? query)
    {
        // A terminal operator has run already; a query runs here, to its last row.
        if (query is System.Collections.IEnumerable rows and not string)
        {
            foreach (var row in rows)
                Assert.Fail($"A row came back: {row}");
        }

        Assert.Fail($"A result came back: {query}");
    }

    private sealed record Form(string Label, string Property, string Hint, Func<ClinicContext, object?> Query);

    private sealed class Row
    {
        public int Id { get; set; }

        public string Text { get; set; } = "";
    }
}
