using EfEnvelope.Kms;
using EfEnvelope.Kms.Local;

if (args[0] == "churn")
    return await Churn.RunAsync(args[1], args[2], args[3], imports: args[4] == "imports");

// Another process on a KMS file. Arguments: file, passphrase, key, how many keys to wrap. Says 'ready', waits for a line, creates
// the KMS and the KEK, then wraps, rotates now and then, and unwraps; prints each plain and wrapped key.
var (file, passphrase, name, count) = (args[0], args[1], args[2], int.Parse(args[3]));
using var kms = new LocalKms($"Data Source={file}", LocalKmsSeal.Passphrase(passphrase));
Console.WriteLine("ready");
Console.ReadLine();

await kms.CreateAsync();
await kms.CreateKeyAsync(name);
var context = new EncryptionContext([new("process", "two")]);
for (var i = 0; i < count; i++)
{
    var key = new byte[32];
    key.AsSpan().Fill((byte)(i + 1));
    var wrapped = await kms.WrapAsync(name, key, context);
    if (i % 5 == 4)
        await kms.RotateKeyAsync(name);
    if (!(await kms.UnwrapAsync(wrapped, context)).AsSpan().SequenceEqual(key))
        return 1;
    Console.WriteLine($"{Convert.ToHexString(key)} {new WrappedKey(wrapped)}");
}

return 0;
