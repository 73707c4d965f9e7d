namespace EfEnvelope.Kms.Oci;

/// <summary>
/// Signs requests to OCI. It is safe for concurrent use. <see cref="OciVault" /> has those of an API key, a configuration file, an
/// instance and a resource. For the principal of a workload, wrap Oracle's SDK: its <c>DefaultRequestSigner.SignRequest</c> takes the
/// same request; make one for each, because it serves one caller at a time.
/// </summary>
public interface IOciRequestSigner
{
    /// <summary>Adds the headers that sign a request, just before it is sent.</summary>
    /// <param name="request">The request with its address and body. The body is bytes that can be read more than once.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>When the request is signed.</returns>
    ValueTask SignAsync(HttpRequestMessage request, CancellationToken cancellationToken);

    /// <summary>Called once when the service did not accept a signature, before the request is signed again. Does nothing by default.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>When the next signature is made with fresh credentials.</returns>
    ValueTask RenewAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;
}
