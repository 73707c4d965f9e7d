using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>What is read through EF Core comes back in clear text, in every shape that a query can have.</summary>
public abstract class QueriesSpecification(TestDatabase database) : ClinicSpecification(database)
{
    [Fact]
    public async Task An_entity_comes_back_with_all_its_values()
    {
        await using var db = Open();
        var ada = await db.Patients.SingleAsync(p => p.Id == 1);
        Assert.Equal(("ssn-1", "alias-1", "note-1", 36, 10), (ada.Ssn, ada.Alias, ada.Note, ada.Age, ada.Score));
        Assert.Equal((12.5m, 60.5, new DateTime(1815, 12, 10, 0, 0, 0, DateTimeKind.Utc), new DateOnly(2024, 2, 29)), (ada.Balance, ada.Weight, ada.Born, ada.Seen));
        Assert.Equal((true, true, Marks.Red | Marks.Blue, Guid.Parse("00112233-4455-6677-8899-aabbccddeeff")), (ada.IsVip, ada.Consents, ada.Marks, ada.Token));
        Assert.Equal([1, 2, 3], ada.Photo);
        Assert.Equal(["x", "y"], ada.Tags);
        Assert.Equal(("street-1", "phone-1"), (ada.Home.Street, ada.Contact!.Phone));

        var grace = await db.Patients.SingleAsync(p => p.Id == 3);
        Assert.Equal((null, null, null, null, null), (grace.Alias, grace.Note, grace.Score, grace.Seen, grace.Consents));
        Assert.Null(grace.Photo);
        Assert.Null(grace.Contact);
        Assert.Empty(grace.Tags);
    }

    [Fact]
    public async Task Projections_of_every_shape_come_back()
    {
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => p.Ssn), ["ssn-1", "ssn-2", "ssn-3"]);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => p.Score), [10, 20, null]);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => p.Tags.ToList()).AsNoTracking().Select(t => string.Join(',', t)), ["x,y", "", ""]);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => new { p.Id, p.Note }), ["1:note-1", "2:note-2", "3:"], x => $"{x.Id}:{x.Note}");
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => new Card(p.Name, p.Ssn)), ["Ada:ssn-1", "Alan:ssn-2", "Grace:ssn-3"], c => $"{c.Name}:{c.Ssn}");
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => new CardDto { Text = p.Ssn }), ["ssn-1", "ssn-2", "ssn-3"], c => c.Text);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => $"{p.Ssn}/{p.Age}"), ["ssn-1/36", "ssn-2/41", "ssn-3/0"]);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => p.Contact!.Phone), ["phone-1", null, null]);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => p.Home), ["street-1", "street-2", "street-3"], h => h.Street);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => p.Doctor!.License), ["license-1", "license-1", null]);
    }

    [Fact]
    public async Task A_coalesce_or_condition_with_constants_and_parameters_comes_back()
    {
        var fallback = "nothing";
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => p.Note ?? "none"), ["note-1", "note-2", "none"]);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => p.Note ?? fallback), ["note-1", "note-2", "nothing"]);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => p.Score ?? -1), [10, 20, -1]);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => p.Score == null ? -2 : p.Score.Value), [10, 20, -2]);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => p.Id == 1 ? p.Ssn : "other"), ["ssn-1", "other", "other"]);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => p.Id == 1 ? p.Ssn : null), ["ssn-1", null, null]);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => p.Id == 1 ? fallback : p.Ssn), ["nothing", "ssn-2", "ssn-3"]);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => p.Note == null ? "no" : "yes"), ["yes", "yes", "no"]);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => p.Consents ?? false), [true, false, false]);
    }

    [Fact]
    public async Task Tests_for_null_are_answered_by_the_database()
    {
        await AssertAsync(db => db.Patients.Where(p => p.Note == null).Select(p => p.Id), [3]);
        await AssertAsync(db => db.Patients.Where(p => p.Note != null).OrderBy(p => p.Id).Select(p => p.Id), [1, 2]);
        await AssertAsync(db => db.Patients.Where(p => null == p.Note).Select(p => p.Id), [3]);
        await AssertAsync(db => db.Patients.Where(p => !(p.Note == null)).OrderBy(p => p.Id).Select(p => p.Id), [1, 2]);
        await AssertAsync(db => db.Patients.Where(p => p.Note == NullParameter()).Select(p => p.Id), [3]);
        await AssertAsync(db => db.Patients.Where(p => p.Score.HasValue).OrderBy(p => p.Id).Select(p => p.Id), [1, 2]);
        await AssertAsync(db => db.Patients.Where(p => !p.Score.HasValue).Select(p => p.Id), [3]);
        await AssertAsync(db => db.Patients.Where(p => p.Photo != null).Select(p => p.Id), [1]);
        await AssertAsync(db => db.Patients.Where(p => p.Contact!.Phone != null).Select(p => p.Id), [1]);
        await AssertAsync(db => db.Patients.Where(p => p.Contact == null).OrderBy(p => p.Id).Select(p => p.Id), [2, 3]);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Note == null).ThenBy(p => p.Id).Select(p => p.Id), [1, 2, 3]);
        await AssertAsync(db => db.Patients.GroupBy(p => p.Note == null).OrderBy(g => g.Key).Select(g => g.Count()), [2, 1]);
        await AssertAsync(db => db.Patients.GroupBy(p => p.DoctorId).OrderBy(g => g.Key == null).Select(g => g.Count(p => p.Alias != null)), [1, 0]);
        await AssertAsync(db => db.Patients.Select(p => p.Note == null).Distinct().OrderBy(x => x), [false, true]);
        await using var db = Open();
        Assert.True(db.Patients.Any(p => p.Note == null));
        Assert.True(await db.Patients.AnyAsync(p => p.Score != null));
        Assert.False(db.Patients.All(p => p.Alias != null));
        Assert.False(await db.Patients.AllAsync(p => p.Note == null));
        Assert.Equal(2, db.Patients.Count(p => p.Note != null));
        Assert.Equal(1, await db.Patients.CountAsync(p => p.Note == null));
        Assert.Equal(3, await db.Patients.LongCountAsync());
    }

    [Fact]
    public async Task Includes_come_back_single_split_filtered_and_untracked()
    {
        foreach (var shape in new Func<IQueryable<Doctor>, IQueryable<Doctor>>[]
        {
            q => q, q => q.AsSplitQuery(), q => q.AsNoTracking(), q => q.AsSplitQuery().AsNoTracking(), q => q.AsNoTrackingWithIdentityResolution(),
        })
        {
            await using var db = Open();
            var query = shape(db.Doctors).Include(d => d.Patients.OrderBy(p => p.Id)).ThenInclude(p => p.Visits.OrderBy(v => v.Id)).Where(d => d.Id == 1);
            foreach (var doctor in new[] { query.Single(), await query.SingleAsync() })
            {
                Assert.Equal("license-1", doctor.License);
                Assert.Equal(["ssn-1", "ssn-2"], doctor.Patients.Select(p => p.Ssn));
                Assert.Equal(["finding-1", "finding-2"], doctor.Patients[0].Visits.Select(v => v.Finding));
                Assert.Equal("phone-1", doctor.Patients[0].Contact!.Phone);
            }
        }

        await using var filtered = Open();
        var ada = await filtered.Patients.Include(p => p.Visits.Where(v => v.Advice != null)).Include(p => p.Doctor).SingleAsync(p => p.Id == 1);
        Assert.Equal("advice-2", Assert.Single(ada.Visits).Advice);
        Assert.Equal("license-1", ada.Doctor!.License);
    }

    [Fact]
    public async Task Find_and_explicit_loading_come_back()
    {
        await using var db = Open();
        Assert.Equal("ssn-1", db.Patients.Find(1)!.Ssn);
        var alan = (await db.Patients.FindAsync(2))!;
        Assert.Equal("ssn-2", alan.Ssn);
        await db.Entry(alan).Collection(p => p.Visits).LoadAsync();
        db.Entry(alan).Reference(p => p.Doctor).Load();
        Assert.Equal(("finding-3", "license-1"), (alan.Visits.Single().Finding, alan.Doctor!.License));
        Assert.Same(alan, await db.Patients.SingleAsync(p => p.Id == 2));
    }

    [Fact]
    public async Task Joins_and_subqueries_come_back()
    {
        await AssertAsync(db => db.Patients.SelectMany(p => p.Visits, (p, v) => new { p.Ssn, v.Finding }).OrderBy(x => x.Ssn == null), null, x => $"{x.Ssn}:{x.Finding}", count: 3);
        await AssertAsync(db => db.Patients.LeftJoin(db.Doctors, p => p.DoctorId, d => d.Id, (p, d) => new { p.Id, p.Ssn, d!.License }).OrderBy(x => x.Id), ["ssn-1:license-1", "ssn-2:license-1", "ssn-3:"], x => $"{x.Ssn}:{x.License}");
        await AssertAsync(db => from p in db.Patients from d in db.Doctors.Where(d => d.Id == p.DoctorId).DefaultIfEmpty() orderby p.Id select new { p.Ssn, Doctor = d }, ["ssn-1:license-1", "ssn-2:license-1", "ssn-3:"], x => $"{x.Ssn}:{x.Doctor?.License}");
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => p.Visits.OrderByDescending(v => v.Id).Select(v => v.Finding).FirstOrDefault()), ["finding-2", "finding-3", null]);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => new { p.Id, Findings = p.Visits.OrderBy(v => v.Id).Select(v => v.Finding).ToList() }), ["finding-1,finding-2", "finding-3", ""], x => string.Join(',', x.Findings));
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Select(p => db.Doctors.Where(d => d.Id == p.DoctorId).Select(d => d.License).SingleOrDefault()), ["license-1", "license-1", null]);
        await AssertAsync(db => db.Patients.Where(p => p.DoctorId != null).GroupBy(p => p.DoctorId).Select(g => g.OrderByDescending(p => p.Id).First()), ["ssn-2"], p => p.Ssn);
        await AssertAsync(db => db.Patients.Where(p => p.Visits.Any(v => v.Advice != null)).Select(p => p.Ssn), ["ssn-1"]);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Skip(1).Take(1).Select(p => p.Ssn), ["ssn-2"]);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Take(2).OrderByDescending(p => p.Id).Take(1).Select(p => new { p.Ssn, p.Doctor!.License }), ["ssn-2:license-1"], x => $"{x.Ssn}:{x.License}");
        await AssertAsync(db => db.Staff.OrderBy(s => s.Id).OfType<Nurse>().Select(n => n.Badge), ["badge-1"]);
    }

    [Fact]
    public async Task Set_operations_on_whole_entities_come_back()
    {
        await AssertAsync(db => db.Patients.Distinct().OrderBy(p => p.Id), ["ssn-1", "ssn-2", "ssn-3"], p => p.Ssn);
        await AssertAsync(db => db.Patients.Where(p => p.Id < 3).Union(db.Patients.Where(p => p.Id > 1)).OrderBy(p => p.Id), ["ssn-1", "ssn-2", "ssn-3"], p => p.Ssn);
        await AssertAsync(db => db.Patients.Where(p => p.Id < 3).Concat(db.Patients.Where(p => p.Id > 1)).OrderBy(p => p.Id), ["ssn-1", "ssn-2", "ssn-2", "ssn-3"], p => p.Ssn);
        await AssertAsync(db => db.Patients.Except(db.Patients.Where(p => p.Id > 1)), ["ssn-1"], p => p.Ssn);
        await AssertAsync(db => db.Patients.Intersect(db.Patients.Where(p => p.Id > 2)), ["ssn-3"], p => p.Ssn);
        await AssertAsync(db => db.Patients.Where(p => p.Id == 1).Union(db.Patients.Where(p => p.Id == 2)).Union(db.Patients.Where(p => p.Id == 3)).OrderBy(p => p.Id), ["ssn-1", "ssn-2", "ssn-3"], p => p.Ssn);
        await AssertAsync(db => db.Patients.OrderBy(p => p.Id).Take(2).Distinct().OrderBy(p => p.Id), ["ssn-1", "ssn-2"], p => p.Ssn);
        await AssertAsync(db => db.Patients.Select(p => p.Doctor).Distinct().Where(d => d != null), ["license-1"], d => d!.License);
        await AssertAsync(db => db.Patients.Select(p => new { p.Id, p.Ssn }).Distinct().OrderBy(x => x.Id), ["ssn-1", "ssn-2", "ssn-3"], x => x.Ssn);
        await AssertAsync(db => db.Patients.Where(p => p.Id < 3).Select(p => p.Ssn).Concat(db.Patients.Where(p => p.Id == 3).Select(p => p.Ssn)), null, s => s, count: 3);
        await AssertAsync(db => db.Patients.Where(p => p.Id == 1).Select(p => (string?)p.Ssn).Concat(db.Doctors.Where(d => d.Id == 1).Select(d => (string?)null)).OrderBy(s => s == null), ["ssn-1", null]);
        await AssertAsync(db => db.Patients.Where(p => p.Id < 3).Concat(db.Patients.Where(p => p.Id > 1)).Distinct().OrderBy(p => p.Id), ["ssn-1", "ssn-2", "ssn-3"], p => p.Ssn);
        await AssertAsync(db => db.Patients.Select(p => new { Key = p.Id, Text = p.Ssn }).Concat(db.Patients.Select(p => new { Key = p.Id, Text = p.Ssn })).Distinct().OrderBy(x => x.Key), ["ssn-1", "ssn-2", "ssn-3"], x => x.Text);
        await AssertAsync(db => db.Patients.Select(p => new { Key = p.Id, Text = p.Ssn }).OrderBy(x => x.Key).Take(2).Union(db.Patients.Select(p => new { Key = p.Id, Text = p.Ssn })).OrderBy(x => x.Key), ["ssn-1", "ssn-2", "ssn-3"], x => x.Text);
        await AssertAsync(db => db.Letters.Concat(db.Letters).Distinct(), [], l => l.Text);
        await AssertAsync(db => db.Letters.Select(l => new { l.Id, l.Text }).Concat(db.Archive.Select(a => new { a.Id, a.Text })), [], x => x.Text);
        await AssertAsync(db => db.Staff.Distinct().OrderBy(s => s.Id), ["Florence", "Hans"], s => s.Name);
        await AssertAsync(db => db.Patients.Where(p => p.Note != null).Select(p => p.Name).Distinct().OrderBy(n => n), ["Ada", "Alan"]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_thousand_rows_are_streamed(bool async)
    {
        await using (var db = Open())
        {
            db.Doctors.AddRange(Enumerable.Range(100, 1000).Select(id => new Doctor { Id = id, Name = $"{id}", License = $"license-{id}" }));
            _ = async ? await db.SaveChangesAsync() : db.SaveChanges();
        }

        await using (var db = Open())
        {
            var id = 100;
            if (async)
            {
                await foreach (var doctor in db.Doctors.Where(d => d.Id >= 100).OrderBy(d => d.Id).AsNoTracking().AsAsyncEnumerable())
                    Assert.Equal($"license-{id++}", doctor.License);
            }
            else
            {
                foreach (var doctor in db.Doctors.Where(d => d.Id >= 100).OrderBy(d => d.Id).AsNoTracking())
                    Assert.Equal($"license-{id++}", doctor.License);
            }

            Assert.Equal(1100, id);
        }
    }

    [Fact]
    public async Task Raw_SQL_over_whole_rows_comes_back()
    {
        var name = "Ada";
        await AssertAsync(db => db.Patients.FromSqlRaw("SELECT * FROM \"Patients\"").Where(p => p.Note != null).OrderBy(p => p.Id), ["ssn-1", "ssn-2"], p => p.Ssn);
        await AssertAsync(db => db.Patients.FromSqlRaw("SELECT * FROM \"Patients\" WHERE \"Name\" = {0}", name).Include(p => p.Visits), ["ssn-1"], p => p.Ssn);
        await using var db = Open();
        Assert.Equal("ssn-1", (await db.Patients.FromSql($"SELECT * FROM \"Patients\" WHERE \"Name\" = {name}").SingleAsync()).Ssn);
    }

    [Fact]
    public async Task Tagged_queries_come_back()
    {
        await AssertAsync(db => db.Patients.TagWith("tag").TagWithCallSite().Where(p => p.Id == 1), ["ssn-1"], p => p.Ssn);
        Assert.All(Recorder.Commands, c => Assert.Contains("-- tag", c));
    }

    [Fact]
    public async Task Compiled_queries_come_back_in_every_context()
    {
        var compiledScalar = EF.CompileQuery((ClinicContext db, int id) => db.Patients.Where(p => p.Id == id).Select(p => p.Ssn).Single());
        var compiledList = EF.CompileQuery((ClinicContext db) => db.Patients.OrderBy(p => p.Id).Where(p => p.Note != null));
        var compiledSingleAsync = EF.CompileAsyncQuery((ClinicContext db, int id) => db.Patients.SingleOrDefault(p => p.Id == id));
        var compiledStreamAsync = EF.CompileAsyncQuery((ClinicContext db) => db.Patients.OrderBy(p => p.Id).Select(p => p.Note ?? "none"));
        for (var i = 0; i < 2; i++)
        {
            await using var db = Open();
            Assert.Equal("ssn-2", compiledScalar(db, 2));
            Assert.Equal(["ssn-1", "ssn-2"], compiledList(db).Select(p => p.Ssn));
            Assert.Equal("ssn-3", (await compiledSingleAsync(db, 3))!.Ssn);
            var notes = new List<string?>();
            await foreach (var note in compiledStreamAsync(db))
                notes.Add(note);
            Assert.Equal(["note-1", "note-2", "none"], notes);
        }
    }

    [Fact]
    public async Task A_value_written_by_another_context_is_read_again()
    {
        await using var first = Open();
        Assert.Equal("ssn-1", first.Patients.AsNoTracking().Single(p => p.Id == 1).Ssn);
        await using (var second = Open())
        {
            (await second.Patients.FindAsync(1))!.Ssn = "ssn-new";
            await second.SaveChangesAsync();
        }

        Assert.Equal("ssn-new", (await first.Patients.AsNoTracking().SingleAsync(p => p.Id == 1)).Ssn);
    }

    [Fact]
    public async Task Keys_that_only_another_process_knows_are_loaded_while_rows_are_read()
    {
        // A configuration of its own holds a ring of its own, as another process would.
        await using (var other = new ClinicContext(Options<ClinicContext>(e => e.Configure(o => o with { NegativeCacheTime = TimeSpan.FromSeconds(3) }))))
        {
            await other.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero);
            (await other.Patients.FindAsync(2))!.Ssn = "ssn-of-version-2";
            await other.SaveChangesAsync();
        }

        await using var db = Open();
        Assert.Equal(["ssn-1", "ssn-of-version-2", "ssn-3"], db.Patients.OrderBy(p => p.Id).AsEnumerable().Select(p => p.Ssn));
        Assert.Equal(["ssn-1", "ssn-of-version-2", "ssn-3"], await db.Patients.OrderBy(p => p.Id).Select(p => p.Ssn).ToListAsync());
    }

    private static string? NullParameter() => null;

    private async Task AssertAsync<T>(
        Func<ClinicContext, IQueryable<T>> query, object?[]? expected, Func<T, object?>? describe = null, int? count = null)
    {
        describe ??= v => v;
        await using (var db = Open())
            Check([.. query(db)]);

        await using (var db = Open())
            Check(await query(db).ToListAsync());

        void Check(List<T> rows)
        {
            if (expected is not null)
                Assert.Equal(expected, rows.Select(describe));
            else
                Assert.Equal(count, rows.Select(describe).Count());
        }
    }

    public sealed record Card(string Name, string Ssn);

    public sealed class CardDto
    {
        public string Text { get; set; } = "";

        public string City { get; set; } = "";
    }
}
