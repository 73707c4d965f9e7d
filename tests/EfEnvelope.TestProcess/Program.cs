using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;

// Writes rows into a database that other processes write into at the same time. Says what it does on standard output, and starts when a
// line comes in: EfEnvelope.TestProcess <provider> <connection string> <KMS file> <writer> <rows> [rotate at row] [stall]
var (provider, connectionString, kmsFile, writer, count) = (args[0], args[1], args[2], args[3], int.Parse(args[4]));
var rotateAt = args.Length > 5 ? int.Parse(args[5]) : -1;
var kms = new FileKms(kmsFile);
if (args.Contains("stall"))
{
    kms.BeforeUnwrap = async () =>
    {
        Console.WriteLine("stalled");
        await Task.Delay(Timeout.Infinite);
    };
}

var builder = new DbContextOptionsBuilder<WriterContext>();
_ = provider switch
{
    "Microsoft.EntityFrameworkCore.Sqlite" => builder.UseSqlite(connectionString),
    "Npgsql.EntityFrameworkCore.PostgreSQL" => builder.UseNpgsql(connectionString),
    "Microsoft.EntityFrameworkCore.SqlServer" => builder.UseSqlServer(connectionString),
    _ => throw new ArgumentException(provider),
};
builder.UseEnvelopeEncryption(e => e.UseKms(kms));

Console.WriteLine("ready");
Console.ReadLine();
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
