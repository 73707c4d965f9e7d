using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace EfEnvelope.Kms.Tests.Aws;

/// <summary>The service's own check of a request's signature, version 4, written from its specification.</summary>
internal static class SigV4
{
    /// <summary>Returns what is wrong with the signature; <see langword="null" /> when it is right.</summary>
    public static string? Verify(HttpRequest request, byte[] body, Func<string, string?> secretOf, string region, string service)
    {
        var authorization = request.Headers.Authorization.ToString();
        const string algorithm = "AWS4-HMAC-SHA256";
        if (!authorization.StartsWith(algorithm + " ", StringComparison.Ordinal))
            return "no signature";
        var parts = authorization[(algorithm.Length + 1)..].Split(',').Select(p => p.Trim().Split('=', 2)).ToDictionary(p => p[0], p => p[1]);
        var scope = parts["Credential"].Split('/');
        var date = request.Headers["X-Amz-Date"].ToString();
        if (scope.Length != 5 || scope[2] != region || scope[3] != service || scope[4] != "aws4_request" || !date.StartsWith(scope[1], StringComparison.Ordinal))
            return $"scope '{string.Join('/', scope.Skip(1))}'";
        if (secretOf(scope[0]) is not { } secret)
            return "unknown access key";
        var sent = DateTimeOffset.ParseExact(date, "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
        if ((TimeProvider.System.GetUtcNow() - sent).Duration() > TimeSpan.FromMinutes(5))
            return "clock";
        var signed = parts["SignedHeaders"].Split(';');
        string[] required = ["host", "x-amz-date", "x-amz-target", .. request.Headers.ContainsKey("X-Amz-Security-Token") ? (string[])["x-amz-security-token"] : []];
        if (required.FirstOrDefault(name => !signed.Contains(name)) is { } missing)
            return $"'{missing}' is not signed";

        var canonical = string.Join(
            '\n',
            [
                request.Method,
                request.Path.Value!,
                request.QueryString.Value!.TrimStart('?'),
                .. signed.Select(name => $"{name}:{string.Join(' ', request.Headers[name].ToString().Split(' ', StringSplitOptions.RemoveEmptyEntries))}"),
                "",
                parts["SignedHeaders"],
                Hex(SHA256.HashData(body)),
            ]);
        var text = string.Join('\n', algorithm, date, string.Join('/', scope.Skip(1)), Hex(SHA256.HashData(Encoding.UTF8.GetBytes(canonical))));
        var key = scope.Skip(1).Aggregate(Encoding.UTF8.GetBytes("AWS4" + secret), (k, part) => HMACSHA256.HashData(k, Encoding.UTF8.GetBytes(part)));
        return Hex(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text))) == parts["Signature"] ? null : $"signature of\n{canonical}";
    }

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
}
