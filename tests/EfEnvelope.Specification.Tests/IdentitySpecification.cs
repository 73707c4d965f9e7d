using System.Security.Claims;
using EfEnvelope.Envelopes;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>
/// ASP.NET Core Identity as it comes: its user manager, its stores and its validators work over encrypted accounts before, during and after a rotation of
/// what is searched.
/// </summary>
public abstract class IdentitySpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    private const string Password = "Correct-horse-9";
    private readonly List<string> _secrets = [];
    private ServiceProvider? _services;

    public static TheoryData<AccountStyle> Styles => [AccountStyle.BlindIndexes, AccountStyle.Deterministic];

    public override async ValueTask DisposeAsync()
    {
        if (_services is not null)
            await _services.DisposeAsync();
        await base.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Styles))]
    public async Task Accounts_work_before_during_and_after_a_rotation(AccountStyle style)
    {
        await CreateAsync(style);
        string[] phases = ["before", "during", "after"];
        for (var i = 0; i < phases.Length; i++)
        {
            if (i > 0)
                await RotateAsync(includeSearch: i == 1);
            foreach (var earlier in phases[..i])
                await AssertFoundAsync(NameOf("ada", earlier), EmailOf("ada", earlier));
            await RunAccountAsync(phases[i]);
            await AddAsync(NameOf("ada", phases[i]), EmailOf("ada", phases[i]));
        }

        foreach (var phase in phases)
            await AssertFoundAsync(NameOf("ada", phase), EmailOf("ada", phase));
    }

    [Theory]
    [MemberData(nameof(Styles))]
    public async Task Account_from_before_a_rotation_can_be_changed_and_deleted_after_it(AccountStyle style)
    {
        await CreateAsync(style);
        await AddAsync("grace.old", "grace.old@example.org");
        await RotateAsync(includeSearch: true);

        await UseAsync(async users =>
        {
            var grace = (await users.FindByNameAsync("grace.old"))!;
            Succeed(await users.SetEmailAsync(grace, Secret("grace.changed@example.org")));
            Succeed(await users.SetUserNameAsync(grace, Secret("grace.changed")));
        });
        await AssertFoundAsync("grace.changed", "grace.changed@example.org");
        await UseAsync(async users =>
        {
            Assert.Null(await users.FindByNameAsync("grace.old"));
            Assert.Null(await users.FindByEmailAsync("grace.old@example.org"));
        });

        await RotateAsync(includeSearch: false);
        await UseAsync(async users => Succeed(await users.DeleteAsync((await users.FindByEmailAsync("grace.changed@example.org"))!)));
        await UseAsync(async users => Assert.Null(await users.FindByNameAsync("grace.changed")));
    }

    [Theory]
    [MemberData(nameof(Styles))]
    public async Task Duplicates_are_refused_by_validators_and_by_the_database_whichever_version_they_are_under(AccountStyle style)
    {
        await CreateAsync(style);
        await AddAsync("old.user", "old.user@example.org");
        await AssertDuplicatesRefusedAsync("old.user");
        await RotateAsync(includeSearch: true);
        await AssertDuplicatesRefusedAsync("old.user");
        await AddAsync("new.user", "new.user@example.org");
        await AssertDuplicatesRefusedAsync("new.user");

        // Sealed anew by this, it must still meet its duplicate.
        await UseAsync(async users => Succeed(await users.SetPhoneNumberAsync((await users.FindByNameAsync("old.user"))!, Secret("+44 20 7946 0123"))));
        await AssertDuplicatesRefusedAsync("old.user");
        await RotateAsync(includeSearch: false);
        await AssertDuplicatesRefusedAsync("old.user");
        await AssertDuplicatesRefusedAsync("new.user");
        Assert.Equal(2, (await Database.QueryAsync($"SELECT {Database.Quote("Id")} FROM {Database.Quote("AspNetUsers")}")).Count);
    }

    [Theory]
    [MemberData(nameof(Styles))]
    public async Task Any_number_of_users_has_no_name(AccountStyle style)
    {
        await CreateAsync(style);
        await using var scope = _services!.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AccountsContext>();
        db.AddRange(new IdentityUser(), new IdentityUser());
        await db.SaveChangesAsync();
        Assert.Equal(2, await db.Users.CountAsync(u => u.NormalizedUserName == null && u.Email == null));
    }

    [Theory]
    [MemberData(nameof(Styles))]
    public async Task Roles_claims_and_logins_lead_to_their_users(AccountStyle style)
    {
        await CreateAsync(style);
        await AddAsync("ada", "ada@example.org");
        await UseScopeAsync(async services =>
        {
            var users = services.GetRequiredService<UserManager<IdentityUser>>();
            Succeed(await services.GetRequiredService<RoleManager<IdentityRole>>().CreateAsync(new IdentityRole("nurse")));
            var ada = (await users.FindByNameAsync("ada"))!;
            Succeed(await users.AddToRoleAsync(ada, "nurse"));
            Succeed(await users.AddClaimAsync(ada, new Claim("ward", "7")));
            Succeed(await users.AddLoginAsync(ada, new UserLoginInfo("elsewhere", "key-1", null)));
            Succeed(await users.SetAuthenticationTokenAsync(ada, "elsewhere", "refresh", "token-1"));
        });

        await RotateAsync(includeSearch: true);

        await UseAsync(async users =>
        {
            Assert.Equal("ada@example.org", Assert.Single(await users.GetUsersInRoleAsync("nurse")).Email);
            Assert.Equal("ada", Assert.Single(await users.GetUsersForClaimAsync(new Claim("ward", "7"))).UserName);
            var ada = (await users.FindByLoginAsync("elsewhere", "key-1"))!;
            Assert.Equal("ADA", ada.NormalizedUserName);
            Assert.Equal(["nurse"], await users.GetRolesAsync(ada));
            Assert.Equal("token-1", await users.GetAuthenticationTokenAsync(ada, "elsewhere", "refresh"));
            Succeed(await users.DeleteAsync(ada));
        });
    }

    [Theory]
    [MemberData(nameof(Styles))]
    public async Task Account_that_another_request_changed_is_not_overwritten(AccountStyle style)
    {
        await CreateAsync(style);
        await AddAsync("ada", "ada@example.org");
        await UseAsync(async late =>
        {
            var stale = (await late.FindByNameAsync("ada"))!;
            await UseAsync(async users => Succeed(await users.SetEmailAsync((await users.FindByNameAsync("ada"))!, Secret("ada@example.com"))));
            var refused = await late.SetEmailAsync(stale, Secret("ada@example.net"));
            Assert.Equal("ConcurrencyFailure", Assert.Single(refused.Errors).Code);
        });
        await AssertFoundAsync("ada", "ada@example.com");
    }

    [Theory]
    [MemberData(nameof(Styles))]
    public async Task Tables_hold_no_names_addresses_or_numbers_and_what_is_unique_stays_under_the_older_version(AccountStyle style)
    {
        await CreateAsync(style);
        await AddAsync("lovelace", "lovelace@example.org", "+44 20 7946 0001");
        await RotateAsync(includeSearch: true);
        await AddAsync("turing", "turing@example.org", "+44 20 7946 0002");

        await AssertHiddenAsync();
        foreach (var column in new[] { "UserName", "NormalizedUserName", "Email", "NormalizedEmail", "PhoneNumber" })
            Assert.All(await ReadAsync(column), bytes => Assert.True(EnvelopeHeader.TryRead(bytes, out _)));
        var suffix = style == AccountStyle.BlindIndexes ? "_BlindIndex" : "";
        Assert.Equal([1u, 1u], await ReadVersionsAsync("NormalizedUserName" + suffix));
        Assert.Equal([1u, 2u], await ReadVersionsAsync("NormalizedEmail" + suffix));
    }

    [Theory]
    [MemberData(nameof(Styles))]
    public async Task Names_that_move_on_in_one_save_are_written_in_an_order_that_stays_unique(AccountStyle style)
    {
        await CreateAsync(style);
        await AddAsync("first", "first@example.org");
        await AddAsync("second", "second@example.org");
        await AddAsync("third", "third@example.org");
        await UseScopeAsync(async services =>
        {
            var db = services.GetRequiredService<AccountsContext>();
            var users = await db.Users.ToListAsync();
            IdentityUser Find(string name) => users.Single(u => u.UserName == name);
            var (first, second, third) = (Find("first"), Find("second"), Find("third"));
            first.NormalizedUserName = "SECOND";
            second.NormalizedUserName = "THIRD";
            third.NormalizedUserName = "FOURTH";
            await db.SaveChangesAsync();
        });
        await UseAsync(async users =>
        {
            Assert.Equal("first", (await users.FindByNameAsync("second"))!.UserName);
            Assert.Equal("second", (await users.FindByNameAsync("third"))!.UserName);
            Assert.Equal("third", (await users.FindByNameAsync("fourth"))!.UserName);
        });
    }

    [Theory]
    [MemberData(nameof(Styles))]
    public async Task Name_of_an_account_can_be_taken_in_the_save_that_deletes_it(AccountStyle style)
    {
        await CreateAsync(style);
        await AddAsync("gone", "gone@example.org");
        await AddAsync("heir", "heir@example.org");
        await RotateAsync(includeSearch: true);
        foreach (var _ in (string[])["renamed", "new"])
        {
            await UseScopeAsync(async services =>
            {
                var db = services.GetRequiredService<AccountsContext>();
                db.Remove(await db.Users.SingleAsync(u => u.NormalizedUserName == "GONE"));
                if (await db.Users.SingleOrDefaultAsync(u => u.UserName == "heir") is { } heir)
                    (heir.UserName, heir.NormalizedUserName) = ("gone", "GONE");
                else
                    db.Add(new IdentityUser("gone") { NormalizedUserName = "GONE" });
                await db.SaveChangesAsync();
            });
        }

        await UseAsync(async users => Assert.Null((await users.FindByNameAsync("gone"))!.Email));
    }

    [Theory]
    [MemberData(nameof(Styles))]
    public async Task Accounts_work_with_a_compiled_model(AccountStyle style)
    {
        await CreateAsync(style);
        IModel? model = null;
        await UseScopeAsync(services =>
        {
            model = DesignTime.LoadModel(DesignTime.Compile(DesignTime.ScaffoldModel(services.GetRequiredService<AccountsContext>(), forNativeAot: false)));
            return Task.CompletedTask;
        });
        await _services!.DisposeAsync();
        await CreateAsync(style, model);

        await AddAsync("ada", "ada@example.org");
        await RotateAsync(includeSearch: true);
        await RunAccountAsync("compiled");
        await AssertFoundAsync("ada", "ada@example.org");
        await AssertDuplicatesRefusedAsync("ada");
    }

    // All that happens to an account in its life, each step as a request of its own.
    private async Task RunAccountAsync(string phase)
    {
        var (name, email, phone) = (NameOf("bob", phase), EmailOf("bob", phase), $"+1 202 555 0{100 + phase.Length}");
        await AddAsync(name, email);
        await AssertFoundAsync(name, email);

        var newEmail = Secret(EmailOf("robert", phase));
        await UseAsync(async users =>
        {
            var bob = (await users.FindByEmailAsync(email))!;
            var token = await users.GenerateChangeEmailTokenAsync(bob, newEmail);
            Succeed(await users.ChangeEmailAsync(bob, newEmail, token));
        });
        await AssertFoundAsync(name, newEmail);
        await UseAsync(async users => Assert.Null(await users.FindByEmailAsync(email)));

        await UseAsync(async users =>
        {
            var bob = (await users.FindByNameAsync(name))!;
            Succeed(await users.ChangePhoneNumberAsync(bob, Secret(phone), await users.GenerateChangePhoneNumberTokenAsync(bob, phone)));
        });
        await UseAsync(async users => Assert.Equal(name, (await users.Users.SingleAsync(u => u.PhoneNumber == phone)).UserName));

        var newName = Secret(NameOf("robert", phase));
        await UseAsync(async users => Succeed(await users.SetUserNameAsync((await users.FindByNameAsync(name))!, newName)));
        await AssertFoundAsync(newName, newEmail);
        await UseAsync(async users => Assert.Null(await users.FindByNameAsync(name)));
        await AssertDuplicatesRefusedAsync(newName);

        await UseAsync(async users =>
        {
            var bob = (await users.FindByNameAsync(newName))!;
            Assert.True(await users.CheckPasswordAsync(bob, Password));
            Assert.False(await users.CheckPasswordAsync(bob, Password + "!"));
        });
        for (var i = 0; i < 3; i++)
        {
            await UseAsync(async users =>
            {
                var bob = (await users.FindByNameAsync(newName))!;
                Assert.False(await users.IsLockedOutAsync(bob));
                Succeed(await users.AccessFailedAsync(bob));
            });
        }

        await UseAsync(async users =>
        {
            var bob = (await users.FindByNameAsync(newName))!;
            Assert.True(await users.IsLockedOutAsync(bob));
            Succeed(await users.SetLockoutEndDateAsync(bob, null));
            Assert.False(await users.IsLockedOutAsync(bob));
        });
        await AssertHiddenAsync();
        await UseAsync(async users => Succeed(await users.DeleteAsync((await users.FindByNameAsync(newName))!)));
        await UseAsync(async users =>
        {
            Assert.Null(await users.FindByNameAsync(newName));
            Assert.Null(await users.FindByEmailAsync(newEmail));
            Assert.False(await users.Users.AnyAsync(u => u.PhoneNumber == phone));
        });
    }

    private async Task AddAsync(string name, string email, string? phone = null)
        => await UseAsync(async users => Succeed(
            await users.CreateAsync(new IdentityUser(Secret(name)) { Email = Secret(email), PhoneNumber = phone is null ? null : Secret(phone) }, Password)));

    private async Task AssertFoundAsync(string name, string email)
        => await UseAsync(async users =>
        {
            var byName = await users.FindByNameAsync(name);
            var byEmail = await users.FindByEmailAsync(email);
            Assert.NotNull(byName);
            Assert.Equal((name, email), (byName.UserName, byName.Email));
            Assert.Same(byName, byEmail);
            Assert.Same(byName, await users.FindByNameAsync(name.ToUpperInvariant()));
            Assert.Same(byName, await users.Users.SingleAsync(u => u.UserName == name));
            Assert.Same(byName, await users.Users.SingleAsync(u => u.Email == email));
        });

    private async Task AssertDuplicatesRefusedAsync(string name)
    {
        string? email = null;
        await UseAsync(async users =>
        {
            email = (await users.FindByNameAsync(name))!.Email;
            var refused = await users.CreateAsync(new IdentityUser(name.ToUpperInvariant()) { Email = email }, Password);
            Assert.Equal(["DuplicateEmail", "DuplicateUserName"], refused.Errors.Select(e => e.Code).Order());
        });

        // What comes past the validator because two requests passed it at once.
        await UseScopeAsync(async services =>
        {
            var db = services.GetRequiredService<AccountsContext>();
            db.Add(new IdentityUser(name) { NormalizedUserName = name.ToUpperInvariant() });
            await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync());
        });
    }

    private async Task AssertHiddenAsync()
    {
        await using var connection = Database.CreateConnection();
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = $"SELECT * FROM {Database.Quote("AspNetUsers")}";
        await using var reader = await command.ExecuteReaderAsync();
        var rows = 0;
        for (; await reader.ReadAsync(); rows++)
        {
            for (var i = 0; i < reader.FieldCount; i++)
            {
                // Random text of Identity's own, in which the letters of a short name occur by chance.
                if (reader.GetName(i) is "Id" or "PasswordHash" or "SecurityStamp" or "ConcurrencyStamp")
                    continue;
                var bytes = reader.GetValue(i) switch
                {
                    byte[] binary => binary,
                    string text => System.Text.Encoding.UTF8.GetBytes(text),
                    _ => [],
                };
                foreach (var secret in _secrets)
                {
                    StoredBytes.AssertHides(bytes, secret);
                    StoredBytes.AssertHides(bytes, secret.ToUpperInvariant());
                }
            }
        }

        Assert.NotEqual(0, rows);
        Assert.NotEmpty(_secrets);
    }

    private async Task<List<byte[]>> ReadAsync(string column)
        => [.. (await Database.QueryAsync($"SELECT {Database.Quote(column)} FROM {Database.Quote("AspNetUsers")}")).Select(v => (byte[])v!)];

    private async Task<List<uint>> ReadVersionsAsync(string column)
        => [.. (await ReadAsync(column)).Select(bytes => System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(1))).Order()];

    private async Task RotateAsync(bool includeSearch)
        => await UseScopeAsync(services => services.GetRequiredService<AccountsContext>().Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch));

    private async Task UseAsync(Func<UserManager<IdentityUser>, Task> use)
        => await UseScopeAsync(services => use(services.GetRequiredService<UserManager<IdentityUser>>()));

    // One scope per request, as in an application.
    private async Task UseScopeAsync(Func<IServiceProvider, Task> use)
    {
        await using var scope = _services!.CreateAsyncScope();
        await use(scope.ServiceProvider);
    }

    private string Secret(string text)
    {
        _secrets.Add(text);
        return text;
    }

    private static string NameOf(string user, string phase) => $"{user}.{phase}";

    private static string EmailOf(string user, string phase) => $"{user}.{phase}@example.org";

    private static void Succeed(IdentityResult result) => Assert.True(result.Succeeded, result.ToString());

    private async Task CreateAsync(AccountStyle style, IModel? model = null)
    {
        var services = new ServiceCollection();
        void Configure(DbContextOptionsBuilder options)
        {
            Database.UseProvider(options).UseEnvelopeEncryption(e => e.UseKms(Kms)).ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));
            if (model is not null)
                options.UseModel(model);
        }

        if (style == AccountStyle.BlindIndexes)
            services.AddDbContext<AccountsContext, BlindlyIndexedAccountsContext>(Configure);
        else
            services.AddDbContext<AccountsContext, DeterministicAccountsContext>(Configure);
        services.AddLogging();

        // Passwords are not what is tested here: hashing them as slowly as one should takes most of the time.
        services.Configure<PasswordHasherOptions>(o => o.IterationCount = 1000);
        services.AddIdentityCore<IdentityUser>(
            o =>
            {
                o.User.RequireUniqueEmail = true;
                o.Lockout.MaxFailedAccessAttempts = 3;
            })
            .AddRoles<IdentityRole>()
            .AddEntityFrameworkStores<AccountsContext>()
            .AddTokenProvider<EmailTokenProvider<IdentityUser>>(TokenOptions.DefaultProvider)
            .AddTokenProvider<PhoneNumberTokenProvider<IdentityUser>>(TokenOptions.DefaultPhoneProvider);
        _services = services.BuildServiceProvider(validateScopes: true);

        // Compiled models have no design-time facts; their tables are there already.
        if (model is null)
            await UseScopeAsync(s => s.GetRequiredService<AccountsContext>().Database.EnsureCreatedAsync());
    }
}
