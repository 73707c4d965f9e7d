using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace EfEnvelope.Kms.Tests.Oci;

/// <summary>Checks signatures of version 1 as OCI's documentation says them, with the public key.</summary>
internal static partial class OciSignature
{
    /// <summary>Says what is wrong with the signature of a request; nothing when it is right.</summary>
    public static string? Check(HttpContext context, byte[] body, Func<string, RSA?> publicKeyOf, TimeProvider? time = null)
    {
        var request = context.Request;
        if (Form().Match(request.Headers.Authorization.ToString()) is not { Success: true } parts)
            return "the Authorization header has another form";
        var names = parts.Groups["headers"].Value.ToLowerInvariant().Split(' ');
        string[] needed = request.Method == "GET"
            ? ["(request-target)", "host"]
            : ["(request-target)", "host", "content-length", "content-type", "x-content-sha256"];
        if (needed.FirstOrDefault(name => !names.Contains(name)) is { } missing)
            return $"'{missing}' is not signed";
        if (!names.Contains("date") && !names.Contains("x-date"))
            return "no date is signed";
        if (!DateTimeOffset.TryParseExact(
                request.Headers[names.Contains("x-date") ? "x-date" : "date"], "R", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var date)
            || (date - (time ?? TimeProvider.System).GetUtcNow()).Duration() > TimeSpan.FromMinutes(5))
            return "the date is more than 5 minutes off";
        if (request.Method != "GET")
        {
            if (request.Headers["x-content-sha256"] != Convert.ToBase64String(SHA256.HashData(body)))
                return "the digest of the body differs";
            if (request.Headers.ContentType != "application/json")
                return "the content type is not exactly application/json";
        }

        // What stands in the request line, as it came.
        var target = $"{request.Method.ToLowerInvariant()} {context.Features.Get<IHttpRequestFeature>()!.RawTarget}";
        var text = string.Join('\n', names.Select(name => $"{name}: {(name == "(request-target)" ? target : request.Headers[name].ToString())}"));
        return publicKeyOf(parts.Groups["keyId"].Value) is not { } key
            ? "the key is not known"
            : key.VerifyData(
                Encoding.UTF8.GetBytes(text), Convert.FromBase64String(parts.Groups["signature"].Value), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
                ? null
                : "the signature differs";
    }

    public static string KeyIdOf(HttpContext context) => Form().Match(context.Request.Headers.Authorization.ToString()).Groups["keyId"].Value;

    [GeneratedRegex("""\ASignature version="1",keyId="(?<keyId>[^"]+)",algorithm="rsa-sha256",headers="(?<headers>[^"]+)",signature="(?<signature>[A-Za-z0-9+/=]+)"\z""")]
    private static partial Regex Form();
}
