using CsCheck;
using Microsoft.Extensions.Time.Testing;

namespace EfEnvelope.Kms.Local;

/// <summary>Random lives of keys, beside a model of a few lines: whatever was wrapped opens exactly when the model says so.</summary>
public sealed class KeyLifeModelTests
{
    private static readonly string[] Names = ["a", "b"];

    [Fact]
    public Task What_was_wrapped_opens_exactly_when_the_model_says_so()
        => Gen.Select(Gen.Int[0, 12], Gen.Int[0, 1], Gen.Int[1, 3]).Array[5, 40].SampleAsync(RunAsync, iter: 20, threads: 1, print: Print);

    private static string Print((int What, int Key, int Number)[] steps)
        => string.Join("; ", steps.Select(s => $"{(Step)s.What} {Names[s.Key]} {s.Number}"));

    private static async Task RunAsync((int What, int Key, int Number)[] steps)
    {
        using var store = new SqliteTestStore();
        var time = new FakeTimeProvider(DateTimeOffset.Parse("2026-03-01T10:00:00Z"));
        var kms = store.Open(time: time);
        try
        {
            await kms.CreateAsync(TestKms.Cancellation);
            var model = Names.ToDictionary(n => n, _ => new ModelKey());
            foreach (var (what, index, number) in steps)
            {
                var name = Names[index];
                var key = model[name];
                key.Now = time.GetUtcNow();
                var expected = key.Expect((Step)what, number);
                KmsErrorKind? outcome = null;
                try
                {
                    await StepAsync((Step)what, name, number);
                }
                catch (KmsException e)
                {
                    outcome = e.Kind;
                }

                Assert.Equal(expected, outcome);
                if (outcome is null)
                    key.Apply((Step)what, number);
            }

            foreach (var (name, key) in model)
            {
                key.Now = time.GetUtcNow();
                foreach (var (version, plain, wrapped) in key.Wrapped)
                {
                    KmsErrorKind? outcome = null;
                    try
                    {
                        Assert.Equal(plain, await kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
                    }
                    catch (KmsException e)
                    {
                        outcome = e.Kind;
                    }

                    Assert.Equal(key.Use ?? (key.Off.Contains(version) ? KmsErrorKind.Disabled : null), outcome);
                }
            }

            async Task StepAsync(Step step, string name, int number)
            {
                switch (step)
                {
                    case Step.Create:
                        await kms.CreateKeyAsync(name, TestKms.Cancellation);
                        break;
                    case Step.Wrap or Step.WrapAgain:
                        var plain = TestKms.NewKey();
                        var wrapped = await kms.WrapAsync(name, plain, TestKms.Context, TestKms.Cancellation);
                        Assert.Equal($"{model[name].Primary}", wrapped.KekVersion);
                        model[name].Wrapped.Add((model[name].Primary, plain, wrapped));
                        break;
                    case Step.Rotate:
                        await kms.RotateKeyAsync(name, TestKms.Cancellation);
                        break;
                    case Step.Disable:
                        await kms.DisableKeyAsync(name, TestKms.Cancellation);
                        break;
                    case Step.Enable:
                        await kms.EnableKeyAsync(name, TestKms.Cancellation);
                        break;
                    case Step.DisableVersion:
                        await kms.DisableKeyVersionAsync(name, number, TestKms.Cancellation);
                        break;
                    case Step.EnableVersion:
                        await kms.EnableKeyVersionAsync(name, number, TestKms.Cancellation);
                        break;
                    case Step.Schedule:
                        await kms.ScheduleKeyDeletionAsync(name, 7, TestKms.Cancellation);
                        break;
                    case Step.Cancel:
                        await kms.CancelKeyDeletionAsync(name, TestKms.Cancellation);
                        break;
                    case Step.Wait:
                        time.Advance(TimeSpan.FromDays(number * 2));
                        break;
                    case Step.Maintain:
                        await kms.RunMaintenanceAsync(TestKms.Cancellation);
                        break;
                    case Step.Reopen:
                        kms.Dispose();
                        kms = store.Open(time: time);
                        break;
                }
            }
        }
        finally
        {
            kms.Dispose();
        }
    }

    private enum Step
    {
        Create,
        Wrap,
        WrapAgain,
        Rotate,
        Disable,
        Enable,
        DisableVersion,
        EnableVersion,
        Schedule,
        Cancel,
        Wait,
        Maintain,
        Reopen,
    }

    private sealed class ModelKey
    {
        private LocalKmsKeyState? _state;
        private DateTimeOffset _deletion;

        public DateTimeOffset Now { get; set; }

        public int Primary { get; private set; }

        public HashSet<int> Off { get; } = [];

        public List<(int Version, byte[] Plain, WrappedKeyCopy Wrapped)> Wrapped { get; } = [];

        /// <summary>What a use of the key ends in.</summary>
        public KmsErrorKind? Use => _state switch
        {
            null => KmsErrorKind.NotFound,
            _ when IsGone => KmsErrorKind.NotFound,
            LocalKmsKeyState.PendingDeletion => KmsErrorKind.PendingDeletion,
            LocalKmsKeyState.Disabled => KmsErrorKind.Disabled,
            _ => null,
        };

        private bool IsGone => _state == LocalKmsKeyState.PendingDeletion && Now >= _deletion;

        // What a change other than a rotation ends in.
        private KmsErrorKind? Change => Use == KmsErrorKind.Disabled ? null : Use;

        public KmsErrorKind? Expect(Step step, int number) => step switch
        {
            Step.Create => IsGone ? KmsErrorKind.InvalidRequest : null,
            Step.Wrap or Step.WrapAgain or Step.Rotate => Use,
            Step.Enable or Step.Disable or Step.Schedule => Change,
            Step.Cancel => Use == KmsErrorKind.NotFound ? Use : null,
            Step.DisableVersion => Change ?? (number > Primary ? KmsErrorKind.NotFound : number == Primary ? KmsErrorKind.InvalidRequest : null),
            Step.EnableVersion => Change ?? (number > Primary ? KmsErrorKind.NotFound : null),
            _ => null,
        };

        public void Apply(Step step, int number)
        {
            switch (step)
            {
                case Step.Create when _state is null:
                    (_state, Primary) = (LocalKmsKeyState.Enabled, 1);
                    break;
                case Step.Rotate:
                    Primary++;
                    break;
                case Step.Disable:
                    _state = LocalKmsKeyState.Disabled;
                    break;
                case Step.Enable:
                    _state = LocalKmsKeyState.Enabled;
                    break;
                case Step.DisableVersion:
                    Off.Add(number);
                    break;
                case Step.EnableVersion:
                    Off.Remove(number);
                    break;
                case Step.Schedule:
                    (_state, _deletion) = (LocalKmsKeyState.PendingDeletion, Now.AddDays(7));
                    break;
                case Step.Cancel when _state == LocalKmsKeyState.PendingDeletion:
                    _state = LocalKmsKeyState.Disabled;
                    break;
            }
        }
    }
}
