using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Nodes;
using EfEnvelope.Kms.Tests.Http;
using Microsoft.AspNetCore.Http;

namespace EfEnvelope.Kms.Tests.Oci;

/// <summary>The metadata service of a compute instance and OCI's authentication service, which Oracle's own client understands,
/// too.</summary>
internal sealed class OciPrincipalServer : KmsServer
{
    public const string Tenancy = "ocid1.tenancy.oc1..clinic";

    private readonly RSA _leafKey = RSA.Create(2048);
    private readonly X509Certificate2 _leaf;
    private readonly X509Certificate2 _intermediate;
    private readonly ConcurrentQueue<string> _tokens = new();

    public OciPrincipalServer()
    {
        using var authorityKey = RSA.Create(2048);
        var (from, to) = (DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        var authority = new CertificateRequest("CN=PKISVC Identity Intermediate", authorityKey, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        authority.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        _intermediate = authority.CreateSelfSigned(from, to);
        var leaf = new CertificateRequest(
            "OU=opc-certtype:instance, OU=opc-compartment:ocid1.compartment.oc1..c, OU=opc-instance:ocid1.instance.oc1..i, "
                + $"OU=opc-tenant:{Tenancy}, CN=ocid1.instance.oc1..i",
            _leafKey,
            HashAlgorithmName.SHA256,
            RSASignaturePadding.Pkcs1);
        _leaf = leaf.Create(_intermediate, from, to, [1, 2, 3]);
    }

    /// <summary>Gets what it signed with, as a message must not quote it.</summary>
    public string PrivateKey => _leafKey.ExportRSAPrivateKeyPem();

    /// <summary>Gets the tokens it gave, the last one last.</summary>
    public IReadOnlyList<string> Tokens => [.. _tokens];

    /// <summary>Gets or sets what a request for a token waits for.</summary>
    public Task BeforeToken { get; set; } = Task.CompletedTask;

    /// <summary>Gets or sets where the public half of a session's key is told, under <c>ST$</c> and the token.</summary>
    public Action<string, RSA> Accept { get; set; } = (_, _) => { };

    /// <summary>Gets or sets the clock that dates are compared with.</summary>
    public TimeProvider Time { get; set; } = TimeProvider.System;

    /// <summary>Gets or sets when a token ends.</summary>
    public DateTimeOffset Ends { get; set; } = DateTimeOffset.UtcNow.AddMinutes(20);

    /// <summary>Gets or sets what is answered instead, by the end of a path.</summary>
    public (string Path, int Status, string Body)? Instead { get; set; }

    public Uri Metadata => new(Address, "/opc/v2/");

    /// <summary>Finds the token that a request was signed with.</summary>
    public string? TokenOf(string authorization) => _tokens.SingleOrDefault(t => authorization.Contains($"\"ST${t}\"", StringComparison.Ordinal));

    protected override Task AnswerFaultAsync(HttpContext context, ServerFault fault) => WriteAsync(context, 503, "{}");

    protected override async Task AnswerAsync(HttpContext context, byte[] body)
    {
        var path = context.Request.Path.Value!;
        if (path == "/v1/x509")
            await BeforeToken;
        await AnswerAsync(context, path, body);
    }

    private Task AnswerAsync(HttpContext context, string path, byte[] body)
    {
        if (Instead is { } instead && path.EndsWith(instead.Path, StringComparison.Ordinal))
            return WriteAsync(context, instead.Status, instead.Body);
        if (path == "/v1/x509")
            return FederateAsync(context, body);
        if (context.Request.Headers.Authorization != "Bearer Oracle")
            Complain($"{path} without 'Bearer Oracle'");
        return path switch
        {
            "/opc/v2/instance/region" => WriteAsync(context, 200, "eu-frankfurt-1", "text/plain"),
            "/opc/v2/instance/regionInfo" => WriteAsync(
                context,
                200,
                """{"realmKey":"oc1","realmDomainComponent":"oraclecloud.com","regionKey":"FRA","regionIdentifier":"eu-frankfurt-1"}"""),
            "/opc/v2/identity/cert.pem" => WriteAsync(context, 200, _leaf.ExportCertificatePem(), "text/plain"),
            "/opc/v2/identity/key.pem" => WriteAsync(context, 200, PrivateKey, "text/plain"),
            "/opc/v2/identity/intermediate.pem" => WriteAsync(context, 200, _intermediate.ExportCertificatePem(), "text/plain"),
            _ => WriteAsync(context, 404, "{}"),
        };
    }

    private Task FederateAsync(HttpContext context, byte[] body)
    {
        var request = JsonNode.Parse(body)!.AsObject();
        var sha256 = request["fingerprintAlgorithm"]?.GetValue<string>() == "SHA256";
        var keyId = $"{Tenancy}/fed-x509{(sha256 ? "-sha256" : "")}/{Fingerprint(sha256 ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1)}";
        if (OciSignature.Check(context, body, id => keyId.Equals(id, StringComparison.OrdinalIgnoreCase) ? _leafKey : null, Time) is { } wrong)
        {
            Complain(wrong);
            return WriteAsync(context, 401, """{"code":"NotAuthenticated","message":"…"}""");
        }

        var intermediate = Convert.FromBase64String(request["intermediateCertificates"]!.AsArray().Single()!.GetValue<string>());
        if (!Bytes("certificate").SequenceEqual(_leaf.RawData) || request["purpose"]!.GetValue<string>() != "DEFAULT"
            || !intermediate.SequenceEqual(_intermediate.RawData))
            Complain("another certificate or purpose");
        var session = RSA.Create();
        session.ImportSubjectPublicKeyInfo(Bytes("publicKey"), out _);
        var claims = JsonSerializer.Serialize(new { exp = Ends.ToUnixTimeSeconds(), jti = RandomNumberGenerator.GetHexString(16) });
        var token = $"{Part("""{"alg":"RS256"}""")}.{Part(claims)}.{Part("x")}";
        _tokens.Enqueue(token);
        Accept($"ST${token}", session);
        return WriteAsync(context, 200, new JsonObject { ["token"] = token }.ToJsonString());

        byte[] Bytes(string name) => Convert.FromBase64String(request[name]!.GetValue<string>());
    }

    private string Fingerprint(HashAlgorithmName algorithm) => string.Join(':', _leaf.GetCertHash(algorithm).Select(b => b.ToString("x2", null)));

    private static string Part(string text) => System.Buffers.Text.Base64Url.EncodeToString(System.Text.Encoding.UTF8.GetBytes(text));
}
