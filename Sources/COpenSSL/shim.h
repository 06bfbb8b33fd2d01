// OpenSSL 3, and its function-like macros as functions: Swift imports no macro with arguments.
#ifndef APUS_OPENSSL_SHIM_H
#define APUS_OPENSSL_SHIM_H

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static inline long apus_ssl_set_server_name(SSL *ssl, const char *name) { return SSL_set_tlsext_host_name(ssl, name); }
static inline long apus_ctx_set_minimum_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_min_proto_version(context, version);
}
static inline long apus_ctx_set_maximum_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_max_proto_version(context, version);
}
static inline long apus_ctx_set_mode(SSL_CTX *context, long mode) { return SSL_CTX_set_mode(context, mode); }
static inline void apus_ctx_refuse_compression_and_renegotiation(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
}
static inline void apus_ctx_set_read_ahead(SSL_CTX *context) { SSL_CTX_set_read_ahead(context, 1); }
static inline long apus_ctx_add_chain_certificate(SSL_CTX *context, X509 *certificate) {
    return SSL_CTX_add1_chain_cert(context, certificate);
}
static inline long apus_ssl_add_chain_certificate(SSL *ssl, X509 *certificate) {
    return SSL_add1_chain_cert(ssl, certificate);
}
static inline int apus_ssl_set_versions(SSL *ssl, int version) {
    return SSL_set_min_proto_version(ssl, version) && SSL_set_max_proto_version(ssl, version);
}
static inline void apus_ssl_set_app_data(SSL *ssl, void *data) { SSL_set_app_data(ssl, data); }
static inline void apus_ctx_keep_client_sessions(SSL_CTX *context, int (*callback)(SSL *, SSL_SESSION *)) {
    // Kept by us, by host: OpenSSL's own client cache would not know which one to offer.
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, callback);
}
static inline void apus_ctx_keep_no_server_sessions(SSL_CTX *context) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}
/// secure_getenv(3), which the headers show to _GNU_SOURCE only.
extern char *secure_getenv(const char *name);
static inline const char *apus_environment(const char *name) { return secure_getenv(name); }
static inline int apus_store_count(X509_STORE *store) { return sk_X509_OBJECT_num(X509_STORE_get0_objects(store)); }
static inline void *apus_ssl_own_app_data(const SSL *ssl) { return SSL_get_app_data(ssl); }
static inline void *apus_ssl_app_data(X509_STORE_CTX *context) {
    SSL *ssl = X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx());
    return ssl ? SSL_get_app_data(ssl) : NULL;
}
static inline EVP_PKEY *apus_generate_p256(void) { return EVP_EC_gen("P-256"); }
static inline EVP_PKEY *apus_generate_rsa(unsigned int bits) { return EVP_RSA_gen(bits); }
/// Adds one extension, given as in openssl.cnf. Returns 1, or 0 if the text makes no sense.
static inline int apus_x509_add_extension(X509 *certificate, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (!extension) return 0;
    int result = X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return result;
}
static inline void apus_bio_retry_read(BIO *bio) { BIO_set_retry_read(bio); }
static inline void apus_bio_retry_write(BIO *bio) { BIO_set_retry_write(bio); }
static inline void apus_bio_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }
static inline int apus_error_reason(unsigned long code) { return ERR_GET_REASON(code); }
static inline int apus_error_library(unsigned long code) { return ERR_GET_LIB(code); }
static inline long apus_bio_memory_contents(BIO *bio, char **contents) { return BIO_get_mem_data(bio, contents); }
static inline const ASN1_TIME *apus_x509_not_after(const X509 *certificate) { return X509_get0_notAfter(certificate); }
static inline const ASN1_TIME *apus_x509_not_before(const X509 *certificate) { return X509_get0_notBefore(certificate); }

#endif
