using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>
/// Every form of <see cref="SearchForms" /> gives the right rows, or is refused with the property's name and a way out: with one live version, with
/// two, and with rows under both.
/// </summary>
public abstract class SearchSpecification(SearchFixture fixture) : EnvelopeSpecification(fixture.CreateDatabase(), TestKms.Shared)
{
    public static MatrixTheoryData<SearchState, string> Cells => new(Enum.GetValues<SearchState>(), SearchForms.All.Select(f => f.Label));

    /// <summary>Gets the forms that a provider's EF Core does not translate, and what it says.</summary>
    protected virtual IReadOnlyDictionary<string, string> UntranslatableHere { get; } = new Dictionary<string, string>();

    // The fixture makes and drops the databases, once for all tests.
    public override ValueTask InitializeAsync() => fixture.EnsureCreatedAsync();

    public override ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    [Theory]
    [MemberData(nameof(Cells))]
    public void A_query_gives_the_right_rows_or_is_refused(SearchState state, string label)
    {
        Assert.SkipUnless(fixture.States.Contains(state), "The one database of this provider is in another state.");
        var form = SearchForms.All.Single(f => f.Label == label);
        var recorder = new CommandRecorder();
        using var db = fixture.Open(state, b => b.AddInterceptors(recorder));
        if (form.Answer is null || (form.OneVersionOnly && state != SearchState.OneVersion) || UntranslatableHere.ContainsKey(label))
        {
            AssertRefused(form, () => Run(form.Query(db)));
            return;
        }

        Assert.Equal(form.Answer, Run(form.Query(db)));
        Assert.All(recorder.Sent.SelectMany(s => s).OfType<string>(), sent => Assert.DoesNotContain(sent, EncryptedTexts));
    }

    [Theory]
    [InlineData(SearchState.OneVersion)]
    [InlineData(SearchState.MixedRows)]
    public async Task Random_queries_answer_as_they_do_in_memory_or_are_refused(SearchState state)
    {
        Assert.SkipUnless(fixture.States.Contains(state), "The one database of this provider is in another state.");
        List<Person> people;
        await using (var db = fixture.Open(state))
            people = await db.People.Include(p => p.Orders).Include(p => p.Team).AsNoTrackingWithIdentityResolution().ToListAsync();
        var seed = Random.Shared.Next();
        var fuzzing = new SearchFuzzing(seed);
        var answered = 0;
        for (var i = 0; i < 250; i++)
        {
            var (text, query) = fuzzing.Next();
            await using var db = fixture.Open(state);
            try
            {
                var rows = query(db.People);
                Assert.True(query(people.AsQueryable()).SequenceEqual(rows), $"{text}{Environment.NewLine}answered {string.Join(", ", rows)}");
                answered++;
            }
            catch (Exception e) when (e is EnvelopeConfigurationException || (e is InvalidOperationException && e.Message.Contains("could not be translated", StringComparison.Ordinal)))
            {
            }
            catch (Exception e) when (e is not Xunit.Sdk.IAssertionException)
            {
                Assert.Fail($"{text}{Environment.NewLine}{e}");
            }
        }

        Assert.True(answered > 100, $"Only {answered} of 250 queries were answered, seed {seed}.");
    }

    [Fact]
    public void Every_form_has_a_label_of_its_own()
    {
        Assert.Equal(SearchForms.All.Count, SearchForms.All.Select(f => f.Label).Distinct().Count());
        Assert.True(SearchForms.All.Count >= 120);
    }

    protected void AssertRefused(SearchForm form, Action run)
    {
        var e = Assert.ThrowsAny<Exception>(run);
        if (e is not EnvelopeConfigurationException && UntranslatableHere.TryGetValue(form.Label, out var message))
        {
            Assert.Contains(message, Assert.IsType<InvalidOperationException>(e).Message);
            return;
        }

        Assert.True(e is EnvelopeConfigurationException, $"Not refused as it should be: {e}");
        Assert.Contains(form.Property ?? "'Person.", e.Message);
        Assert.Contains(form.Hint ?? "AsEnumerable()", e.Message);
    }

    // What no command may send in clear text. 'c-1' is a plain name, too.
    private static readonly HashSet<string> EncryptedTexts = ["r-1", "r-2", "r-4", "c-4", "t-1", "t-2", "t-5", "k-1", "l-1", "s-1", "ada@example.org", "TURING", "London"];

    /// <summary>Runs a query and gives its rows: numbers of people in order, other values as they come.</summary>
    protected static object[] Run(object? result)
        => result switch
        {
            null => [],
            Person person => [person.Id],
            IQueryable<Person> people => [.. people.AsEnumerable().Select(p => p.Id).Order().Cast<object>()],
            IQueryable<int> numbers => [.. numbers.AsEnumerable().Order().Cast<object>()],
            System.Collections.IEnumerable rows and not string => [.. rows.Cast<object>()],
            _ => [result],
        };
}
