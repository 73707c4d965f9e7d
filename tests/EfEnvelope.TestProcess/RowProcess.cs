using System.Data.Common;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.TestProcess;

/// <summary>
/// Writes rows into a database that other processes write into at the same time. Says what it does on standard output, and starts when a
/// line comes in: EfEnvelope.TestProcess &lt;provider&gt; &lt;connection string&gt; &lt;KMS file&gt; &lt;writer&gt; &lt;rows&gt; [rotate at row] [stall | stall-direct | claim]
/// </summary>
internal static class RowProcess
{
    public static async Task RunAsync(string[] args)
    {
        var (provider, connectionString, kmsFile, writer, count) = (args[0], args[1], args[2], args[3], int.Parse(args[4]));
        var rotateAt = args.Length > 5 ? int.Parse(args[5]) : -1;
        var kms = new FileKms(kmsFile);
        var direct = args.Contains("stall-direct");
        if (direct || args.Contains("stall"))
        {
            kms.BeforeUnwrap = async () =>
            {
                Console.WriteLine("stalled");
                await Task.Delay(Timeout.Infinite);
            };
        }

        var builder = new DbContextOptionsBuilder<WriterContext>();
        Providers.Use(builder, provider, connectionString);
        var claims = args.Contains("claim");
        builder.UseEnvelopeEncryption(
            e =>
            {
                e.UseKms(kms).Configure(o => o with { UsesIntermediateKey = !direct });
                if (claims)
                    e.Configure(o => o with { RefreshInterval = TimeSpan.FromSeconds(1), ActivationDelay = TimeSpan.FromSeconds(2) });
            });

        Console.WriteLine("ready");
        Console.ReadLine();
        if (claims)
        {
            await ClaimAsync();
            Console.WriteLine("done");
            return;
        }

        for (var number = 0; number < count; number++)
        {
            await using var context = new WriterContext(builder.Options);
            if (number == rotateAt)
                Console.WriteLine($"rotated to {await context.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero)}");
            context.AddRange(
                new WrittenRow { Writer = writer, Number = number, Secret = WrittenRow.SecretOf(writer, number) },
                new WrittenRow { Writer = writer, Number = count + number, Secret = WrittenRow.SecretOf(writer, count + number) });
            await context.SaveChangesAsync();
            Console.WriteLine($"wrote {number}");
        }

        Console.WriteLine("done");

        // Claims names that another process claims at the same time, and earlier ones once more, which are all taken.
        async Task ClaimAsync()
        {
            for (var number = 0; number < count; number++)
            {
                if (number == rotateAt)
                {
                    await using var context = new WriterContext(builder.Options);
                    Console.WriteLine($"rotated to {await context.Database.RotateEnvelopeKeyAsync(includeSearch: true)}");
                }

                // One takes each pair in the other order, so that neither is always the first.
                var claimed = writer == "second" ? number ^ 1 : number;
                foreach (var name in new[] { $"name {claimed}", $"name {number / 2}" })
                {
                    await TryClaimAsync(name);

                    // Whoever claimed it, and under whichever version: it is there.
                    await using var context = new WriterContext(builder.Options);
                    if (await context.Claims.CountAsync(c => c.Tag == name) != 1 || await context.Claims.CountAsync(c => c.Email == name) != 1)
                        throw new InvalidOperationException($"'{name}' was missed or doubled.");
                }

                await Task.Delay(40);
            }
        }

        async Task TryClaimAsync(string name)
        {
            await using var context = new WriterContext(builder.Options);
            context.Add(ClaimedName.Of(writer, name));
            try
            {
                await context.SaveChangesAsync();
            }
            catch (DbUpdateException e) when (e.InnerException is DbException duplicate && duplicate.Message.Contains("unique", StringComparison.OrdinalIgnoreCase))
            {
            }
        }
    }
}
