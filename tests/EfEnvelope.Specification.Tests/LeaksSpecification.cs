using System.Collections.Concurrent;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.Logging;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>No plaintext is printed, whatever logging is on; and without a part of EfEnvelope nothing is stored at all.</summary>
public abstract class LeaksSpecification(TestDatabase database) : ClinicSpecification(database)
{
    private const string Secret = "LEAKED-secret";
    private readonly ConcurrentQueue<(string Event, string Text)> _log = [];

    [Fact]
    public async Task Commands_and_their_parameters_are_logged_without_plaintext()
    {
        await using var db = OpenLogged();
        db.Add(new Doctor { Id = 50, Name = "public name", License = Secret });
        await db.SaveChangesAsync();
        (await db.Doctors.FindAsync(50))!.License = Secret + "2";
        db.SaveChanges();
        await db.Doctors.Where(d => d.Id == 50).ExecuteUpdateAsync(s => s.SetProperty(d => d.License, Secret));
        await db.Doctors.Where(d => d.Id == 50).ExecuteUpdateAsync(s => s.SetProperty(d => d.License, d => Secret));
        Assert.Equal(Secret, db.Doctors.Where(d => d.Id == 50).Select(d => d.License ?? Secret).Single());

        Assert.Contains(LoggedOutsideOfTrackerAndCompiler, text => text.Contains("public name", StringComparison.Ordinal) && text.Contains("Envelope(Doctors.License)", StringComparison.Ordinal));
        AssertHidden(LoggedOutsideOfTrackerAndCompiler);
        AssertHidden(Recorder.Commands);
        Assert.DoesNotContain(Recorder.Sent.SelectMany(p => p), v => v is string text && text.Contains(Secret, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_SQL_text_of_a_query_shows_no_plaintext()
    {
        await using var db = OpenLogged();
        var fallback = Secret;
        var text = db.Patients.Select(p => p.Note ?? fallback).ToQueryString() + db.Patients.Select(p => p.Note ?? "LEAKED-secret").ToQueryString();
        Assert.Contains("COALESCE", text);
        AssertHidden([text]);
    }

    [Fact]
    public async Task A_failing_save_says_nothing_of_its_values()
    {
        await using var db = OpenLogged();
        db.Add(new Visit { Id = 60, PatientId = 999, Kind = "no such patient", Finding = Secret, Advice = Secret });
        if (db.Database.ProviderName!.EndsWith("Sqlite", StringComparison.Ordinal))
            db.Add(new Doctor { Id = 1, Name = "duplicate", License = Secret });
        var e = await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync());
        AssertHidden([e.ToString()]);
        AssertHidden(LoggedOutsideOfTrackerAndCompiler);
    }

    [Fact]
    public async Task A_value_that_cannot_be_encrypted_is_not_quoted()
    {
        await using var db = OpenLogged();
        db.Add(new Doctor { Id = 61, Name = "n", License = Secret + "\uD83D" });
        var e = await Assert.ThrowsAnyAsync<Exception>(() => db.SaveChangesAsync());
        AssertHidden([e.ToString()]);
        AssertHidden(LoggedOutsideOfTrackerAndCompiler);
    }

    [Fact]
    public async Task A_refused_query_does_not_quote_what_it_looks_for()
    {
        await using var db = OpenLogged();
        var e = Assert.Throws<EnvelopeConfigurationException>(() => db.Doctors.Where(d => d.License == Secret).ToList());
        AssertHidden([e.ToString()]);
    }

    [Fact]
    public async Task The_debug_view_of_the_model_shows_names_only()
    {
        await using var db = OpenLogged();
        var view = db.Model.ToDebugString(MetadataDebugStringOptions.LongDefault);
        Assert.Contains("EfEnvelope:Context: Doctors.License", view);
        AssertHidden([view]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Without_the_interceptor_nothing_is_stored(bool async)
    {
        await using (var db = Open(o => o.ReplaceService<IInterceptors, NoInterceptors>()))
        {
            db.Add(new Doctor { Id = 70, Name = "unsealed", License = Secret });
            var e = async
                ? await Assert.ThrowsAnyAsync<Exception>(() => db.SaveChangesAsync())
                : Assert.ThrowsAny<Exception>(() => db.SaveChanges());
            AssertHidden([e.ToString()]);
            db.ChangeTracker.Clear();
            var update = async
                ? await Assert.ThrowsAnyAsync<Exception>(() => db.Doctors.ExecuteUpdateAsync(s => s.SetProperty(d => d.License, Secret)))
                : Assert.ThrowsAny<Exception>(() => db.Doctors.ExecuteUpdate(s => s.SetProperty(d => d.License, Secret)));
            AssertHidden([update.ToString()]);
        }

        await using (var db = Open())
            Assert.Equal(["license-1", "license-2"], db.Doctors.OrderBy(d => d.Id).Select(d => d.License).ToList());
    }

    private ClinicContext OpenLogged()
        => Open(o => o.LogTo((_, _) => true, data => _log.Enqueue((data.EventId.Name ?? "", data.ToString()))).EnableDetailedErrors());

    private static void AssertHidden(IEnumerable<string> texts)
        => Assert.All(texts, text => Assert.DoesNotContain(Secret, text, StringComparison.OrdinalIgnoreCase));

    // EF Core's change tracker and query compiler print entities and LINQ themselves; EfEnvelope has no hand in that.
    private IEnumerable<string> LoggedOutsideOfTrackerAndCompiler
        => _log.Where(e => !e.Event.Contains(".ChangeTracking.", StringComparison.Ordinal) && !e.Event.Contains(".Query.", StringComparison.Ordinal)).Select(e => e.Text);

    private sealed class NoInterceptors : IInterceptors
    {
        public TInterceptor? Aggregate<TInterceptor>()
            where TInterceptor : class, IInterceptor
            => null;
    }
}
