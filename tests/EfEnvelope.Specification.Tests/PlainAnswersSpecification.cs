using System.Linq.Expressions;
using CsCheck;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>
/// What is true, false and unknown is the same whether a column is encrypted or not: a query gives the answer that EF Core gives over plain columns, or it
/// is refused. It never gives another answer.
/// </summary>
public abstract class PlainAnswersSpecification(TestDatabase database) : EnvelopeSpecification(database, TestKms.Shared)
{
    private const int Conditions = 120;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await using var db = Open();
        await db.Database.EnsureCreatedAsync();
        foreach (var kind in (string[])[ParcelKinds.Plain, .. ParcelKinds.Encrypted])
            await db.SeedAsync(kind);
    }

    [Fact]
    public async Task Every_form_gives_the_answer_of_plain_columns_or_the_refusal_that_is_listed()
    {
        var faults = new List<string>();
        foreach (var form in PlainAnswersForms.All)
        {
            var (plain, failure) = await AskPlainAsync(form.Query);
            foreach (var kind in ParcelKinds.Encrypted)
            {
                var (answer, refusal) = await AskAsync(kind, form.Query);
                var isRefused = form.Refused == kind || form.Refused == "both";

                // What the provider itself does not answer over plain columns has no answer to be compared with.
                if (isRefused ? refusal?.Contains(form.Hint!, StringComparison.Ordinal) != true : failure is null && answer != plain)
                    faults.Add($"{form.Label} ({kind}): {answer ?? refusal}, where plain columns give {plain}");
            }
        }

        Assert.True(faults.Count == 0, string.Join(Environment.NewLine, faults));
    }

    [Fact]
    public void Random_conditions_give_the_answer_of_plain_columns_or_are_refused()
    {
        var answered = 0;
        Gen.Byte.Array[48].Sample(
            choices =>
            {
                var plain = Ask(ParcelKinds.Plain, choices, out _);
                foreach (var kind in ParcelKinds.Encrypted)
                {
                    var answer = Ask(kind, choices, out var text);
                    if (answer is null)
                        continue;
                    Assert.True(answer == plain, $"{kind}: {text}{Environment.NewLine}gives {answer}, where plain columns give {plain}");
                    answered++;
                }
            },
            iter: Conditions, threads: 1);
        Assert.True(answered > Conditions, $"Only {answered} of {2 * Conditions} queries were answered.");
    }

    // The answer, or null where the query is refused or not translated.
    private string? Ask(string kind, byte[] choices, out string text)
    {
        var conditions = new RandomConditions(choices);
        var condition = conditions.Next();
        text = $"{conditions.Shape}: {condition}";
        try
        {
            if (kind != ParcelKinds.Plain)
            {
                using var db = Open();
                return Run(db, db.Parcels(kind));
            }

            using var plain = OpenPlain();
            return Run(plain, plain.Parcels);
        }
        catch (EnvelopeConfigurationException)
        {
            return null;
        }
        catch (InvalidOperationException e) when (e.Message.Contains("could not be translated", StringComparison.Ordinal))
        {
            return null;
        }

        string Run(DbContext db, IQueryable<Parcel> parcels)
        {
            using var transaction = db.Database.BeginTransaction();
            return Describe(conditions.Ask(parcels, condition));
        }
    }

    private async Task<(string? Answer, string? Refusal)> AskAsync(string kind, Func<IQueryable<Parcel>, IQueryable<Part>, object?> query)
    {
        await using var db = Open();
        return await AskAsync(db, () => query(db.Parcels(kind), db.Parts(kind)));
    }

    private async Task<(string? Answer, string? Refusal)> AskPlainAsync(Func<IQueryable<Parcel>, IQueryable<Part>, object?> query)
    {
        await using var db = OpenPlain();
        return await AskAsync(db, () => query(db.Parcels, db.Parts));
    }

    // What is changed is taken back.
    private static async Task<(string? Answer, string? Refusal)> AskAsync(DbContext db, Func<object?> query)
    {
        try
        {
            await using var transaction = await db.Database.BeginTransactionAsync();
            return (Describe(query()), null);
        }
        catch (EnvelopeConfigurationException e)
        {
            return (null, e.Message);
        }
        catch (Exception e)
        {
            return (null, $"{e.GetType().Name}: {e.Message}");
        }
    }

    private static string Describe(object? result)
        => result is System.Collections.IEnumerable rows and not string ? string.Join(", ", rows.Cast<object?>().Select(Describe)) : result?.ToString() ?? "null";

    private ParcelsContext Open() => new(Options<ParcelsContext>());

    private PlainParcelsContext OpenPlain()
        => new((DbContextOptions<PlainParcelsContext>)Database.UseProvider(new DbContextOptionsBuilder<PlainParcelsContext>()).Options);

    /// <summary>Makes a condition of a list of choices, so that a shorter list makes a simpler one.</summary>
    private sealed class RandomConditions(byte[] choices)
    {
        private static readonly List<int?> Numbers = [1, null, 7];
        private static readonly List<string?> Texts = ["OR", null];
        private static readonly List<string> OtherTexts = ["WA", "x"];

        private int _next;

        public string Shape { get; private set; } = "Where";

        // They can be set, so EF Core takes them for parameters.
        private static bool? Unknown { get; set; }

        private static bool? True { get; set; } = true;

        private static string? NoText { get; set; }

        private static string Text { get; set; } = "OR";

        private static int Number { get; set; } = 1;

        public Expression<Func<Parcel, bool>> Next()
        {
            var parcel = Expression.Parameter(typeof(Parcel), "c");
            return Expression.Lambda<Func<Parcel, bool>>(Condition(parcel, 3), parcel);
        }

        public object? Ask(IQueryable<Parcel> parcels, Expression<Func<Parcel, bool>> condition)
        {
            Shape = (Choose(8)) switch { 0 => "Count", 1 => "All", 2 => "Select", 3 => "ExecuteDelete", 4 => "Any of parts", 5 => "Take", _ => "Where" };
            return Shape switch
            {
                "Count" => parcels.Count(condition),
                "All" => parcels.Where(c => c.Id > 2).All(condition),
                "Select" => parcels.OrderBy(c => c.Id).Select(Choice(condition)).ToList(),
                "ExecuteDelete" => (parcels.Where(c => c.Id == 5 || c.Id == 1).Where(c => c.Parts.Count == 0).Where(condition).ExecuteDelete(), parcels.Count()),
                "Any of parts" => parcels.Where(condition).Where(c => c.Parts.Any(p => p.New)).OrderBy(c => c.Id).Select(c => c.Id).ToList(),
                "Take" => parcels.OrderBy(c => c.Id).Take(4).Where(condition).OrderBy(c => c.Id).Select(c => c.Id).ToList(),
                _ => parcels.Where(condition).OrderBy(c => c.Id).Select(c => c.Id).ToList(),
            };
        }

        private static Expression<Func<Parcel, int>> Choice(Expression<Func<Parcel, bool>> condition)
            => Expression.Lambda<Func<Parcel, int>>(Expression.Condition(condition.Body, Expression.Constant(1), Expression.Constant(0)), condition.Parameters);

        private int Choose(int count) => _next < choices.Length ? choices[_next++] % count : 0;

        private Expression Condition(Expression parcel, int depth)
        {
            if (depth == 0)
                return Test(parcel);
            return Choose(8) switch
            {
                0 => Test(parcel),
                1 or 2 => Expression.Not(Condition(parcel, depth - 1)),
                3 => Expression.AndAlso(Condition(parcel, depth - 1), Condition(parcel, depth - 1)),
                4 => Expression.OrElse(Condition(parcel, depth - 1), Condition(parcel, depth - 1)),
                5 => Expression.Condition(Condition(parcel, depth - 1), Condition(parcel, depth - 1), Condition(parcel, depth - 1)),
                6 => Expression.Equal(Condition(parcel, depth - 1), Condition(parcel, depth - 1)),
                _ => Part(parcel, depth - 1),
            };
        }

        private MethodCallExpression Part(Expression parcel, int depth)
        {
            var part = Expression.Parameter(typeof(Part), "p");
            Expression<Func<Part, bool>>[] tests =
            [
                p => p.New, p => !p.New, p => p.Old!.Value, p => !p.Old!.Value, p => p.Old.HasValue, p => p.Text == Text, p => p.Text != NoText,
                p => (p.Old ?? true) && p.New, p => Texts.Contains(p.Text),
            ];
            var test = Exchange(tests[Choose(tests.Length)], part);
            var method = Choose(2) == 0 ? nameof(Enumerable.Any) : nameof(Enumerable.All);
            return Expression.Call(
                typeof(Enumerable), method, [typeof(Part)], Expression.Property(parcel, nameof(Parcel.Parts)), Expression.Lambda<Func<Part, bool>>(test, part));
        }

        private Expression Test(Expression parcel)
        {
            for (var steps = Choose(3); steps > 0; steps--)
                parcel = Expression.Property(parcel, nameof(Parcel.Next));
            Expression<Func<Parcel, bool>>[] tests =
            [
                c => c.Flag, c => !c.Flag, c => c.Flag == true, c => c.Flag != true, c => c.Maybe!.Value, c => !c.Maybe!.Value, c => c.Maybe.HasValue, c => !c.Maybe.HasValue,
                c => c.Maybe == null, c => c.Maybe == true, c => c.Maybe != true, c => c.Maybe == False, c => c.Maybe == Unknown, c => c.Maybe != True,
                c => c.Maybe ?? false, c => c.Maybe ?? true, c => c.Maybe ?? c.Flag, c => (c.Id > 2 ? c.Maybe : null) == true, c => c.Number == 1, c => c.Number != Number,
                c => c.Number.HasValue, c => Numbers.Contains(c.Number), c => !Numbers.Contains(c.Number), c => (c.Number ?? 1) == 1, c => c.Number == (long)Number,
                c => c.Region == "OR", c => c.Region != Text, c => c.Region == NoText, c => c.Region != NoText, c => c.Region == null, c => Texts.Contains(c.Region),
                c => !Texts.Contains(c.Region), c => !OtherTexts.Contains(c.Region!), c => (c.Region ?? "OR") == Text, c => (c.Region ?? c.Code) != "OR", c => c.Region == c.Code,
                c => c.Region != c.Code, c => c.Code == Text, c => c.Id > 2, c => string.IsNullOrEmpty(c.Region), c => (c.Region == null ? "OR" : c.Region) == "OR",
                c => c.Qty == 1, c => c.Qty != Number, c => c.Next == null, c => new[] { "OR", Text, null }.Contains(c.Region), c => c.Large == Number, c => c.Flag == c.Maybe,
            ];
            return Exchange(tests[Choose(tests.Length)], parcel);
        }

        private static bool? False { get; set; } = false;

        private static Expression Exchange(LambdaExpression test, Expression instance) => new Exchanger(test.Parameters[0], instance).Visit(test.Body);

        private sealed class Exchanger(Expression from, Expression to) : ExpressionVisitor
        {
            protected override Expression VisitParameter(ParameterExpression node) => node == from ? to : base.VisitParameter(node);
        }
    }
}
