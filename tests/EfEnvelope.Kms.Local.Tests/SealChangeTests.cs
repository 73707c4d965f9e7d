namespace EfEnvelope.Kms.Local;

public abstract class SealChangeTests(TestStore store) : StoreTests(store)
{
    private static readonly LocalKmsSeal Old = TestKms.QuickSeal("the old passphrase");
    private static readonly LocalKmsSeal New = TestKms.QuickSeal("the new passphrase");

    [Fact]
    public async Task Seal_changes_while_nodes_go_on()
    {
        using var first = await Store.CreateAsync(seal: Old);
        using var second = Store.Open(Old);
        var key = TestKms.NewKey();
        var wrapped = await first.WrapAsync(TestStore.KeyName, key, TestKms.Context, Cancellation);
        await second.OpenAsync(Cancellation);
        using var stop = new CancellationTokenSource();
        var working = Task.Run(async () =>
        {
            var calls = 0;
            for (; !stop.IsCancellationRequested || calls < 10; calls++)
                Assert.Equal(key, await second.UnwrapAsync(wrapped, TestKms.Context, Cancellation));
            return calls;
        });

        await first.AddSealAsync(New, Cancellation);
        using (var restarted = Store.Open(New))
            Assert.Equal(key, await restarted.UnwrapAsync(wrapped, TestKms.Context, Cancellation));
        using (var notYet = Store.Open(Old))
            Assert.Equal(key, await notYet.UnwrapAsync(wrapped, TestKms.Context, Cancellation));
        await first.RemoveSealAsync(Old, Cancellation);
        await stop.CancelAsync();
        Assert.True(await working >= 10);

        // Those that it opened go on until they are restarted.
        Assert.Equal(key, await second.UnwrapAsync(wrapped, TestKms.Context, Cancellation));
        await second.RotateKeyAsync(TestStore.KeyName, Cancellation);
        using var late = Store.Open(Old);
        await TestKms.ThrowsAsync(KmsErrorKind.Unauthenticated, () => late.OpenAsync(Cancellation));
        using var fresh = Store.Open(New);
        Assert.Equal(key, await fresh.UnwrapAsync(wrapped, TestKms.Context, Cancellation));
    }

    [Fact]
    public async Task Last_seal_stays_even_when_two_nodes_remove_one_each()
    {
        using var first = await Store.CreateAsync(seal: Old);
        await first.AddSealAsync(New, Cancellation);
        using var second = Store.Open(New);
        await second.OpenAsync(Cancellation);

        var outcomes = await Task.WhenAll(
            Task.Run(() => RemovedAsync(first, Old)),
            Task.Run(() => RemovedAsync(second, New)));

        Assert.Single(outcomes, true);
        var left = Assert.Single(await first.ListSealsAsync(Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.InvalidRequest, () => first.RemoveSealAsync(left.SealId, Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => first.RemoveSealAsync("none", Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => first.RemoveSealAsync(TestKms.QuickSeal("third"), Cancellation));

        static async Task<bool> RemovedAsync(LocalKms kms, LocalKmsSeal seal)
        {
            try
            {
                await kms.RemoveSealAsync(seal, Cancellation);
                return true;
            }
            catch (KmsException e)
            {
                Assert.Equal(KmsErrorKind.InvalidRequest, e.Kind);
                return false;
            }
        }
    }

    [Fact]
    public async Task Another_KMS_seals_this_one()
    {
        using var outer = new TestKms();
        using var outerKms = await outer.CreateAsync();
        await outerKms.CreateKeyAsync("other", Cancellation);
        var seal = LocalKmsSeal.KeyWrapper(outerKms.GetKeyWrapper(TestKms.KeyName));
        var key = TestKms.NewKey();
        WrappedKeyCopy wrapped;
        using (var kms = await Store.CreateAsync(seal: seal))
            wrapped = await kms.WrapAsync(TestStore.KeyName, key, TestKms.Context, Cancellation);
        await outerKms.RotateKeyAsync(TestKms.KeyName, Cancellation);

        using (var kms = Store.Open(seal))
        {
            Assert.Equal(key, await kms.UnwrapAsync(wrapped, TestKms.Context, Cancellation));
            Assert.Equal("key-wrapper", Assert.Single(await kms.ListSealsAsync(Cancellation)).Kind);

            // Once open, it asks the other no more.
            await outerKms.DisableKeyAsync(TestKms.KeyName, Cancellation);
            Assert.Equal(key, await kms.UnwrapAsync(wrapped, TestKms.Context, Cancellation));
        }

        using (var kms = Store.Open(seal))
            await TestKms.ThrowsAsync(KmsErrorKind.Disabled, () => kms.OpenAsync(Cancellation));
        using var stranger = new TestKms();
        using var strangerKms = await stranger.CreateAsync();
        using (var kms = Store.Open(LocalKmsSeal.KeyWrapper(strangerKms.GetKeyWrapper(TestKms.KeyName))))
            await TestKms.ThrowsAsync(KmsErrorKind.Unauthenticated, () => kms.OpenAsync(Cancellation));
        using (var kms = Store.Open(TestKms.QuickSeal()))
            await TestKms.ThrowsAsync(KmsErrorKind.Unauthenticated, () => kms.OpenAsync(Cancellation));
    }

    [Fact]
    public async Task Seals_of_every_kind_open_one_store()
    {
        using var outer = new TestKms();
        using var outerKms = await outer.CreateAsync();
        var file = Path.Combine(outer.Folder, "kms.key");
        LocalKmsSeal[] seals =
        [
            LocalKmsSeal.KeyWrapper(outerKms.GetKeyWrapper(TestKms.KeyName)), LocalKmsSeal.CreateKeyFile(file), Old, New,
        ];
        using (var kms = await Store.CreateAsync(seal: seals[0]))
        {
            foreach (var seal in seals[1..])
                await kms.AddSealAsync(seal, Cancellation);
            Assert.Equal(4, (await kms.ListSealsAsync(Cancellation)).Count);
        }

        foreach (var seal in seals)
        {
            using var kms = Store.Open(seal);
            await kms.OpenAsync(Cancellation);
        }
    }
}

public sealed class SqliteSealChangeTests() : SealChangeTests(new SqliteTestStore());

public sealed class PostgresSealChangeTests() : SealChangeTests(new PostgresTestStore());
