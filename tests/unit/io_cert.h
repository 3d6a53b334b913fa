/*
 * Certificates made on the fly, as files in a folder of the test's own.
 */
#ifndef SLUICE_TESTS_UNIT_IO_CERT_H
#define SLUICE_TESTS_UNIT_IO_CERT_H

#include "gateway/base/check.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CERT_DAY_S (24 * 3600L)

struct cert {
    EVP_PKEY *key;
    X509 *x509;
    char certificate_path[128], key_path[128];
};

static char cert_folder[64];

static inline void cert_folder_make(void)
{
    snprintf(cert_folder, sizeof(cert_folder), "/tmp/sluice-unit-XXXXXX");
    CHECK(mkdtemp(cert_folder));
}

static inline void cert_folder_remove(void)
{
    DIR *folder = opendir(cert_folder);
    char path[512];

    for (struct dirent *entry; (entry = readdir(folder));) {
        snprintf(path, sizeof(path), "%s/%s", cert_folder, entry->d_name);
        (void)unlink(path);
    }
    closedir(folder);
    rmdir(cert_folder);
}

static inline void cert_extend(X509 *x509, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    CHECK(extension && X509_add_ext(x509, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static inline void cert_write(struct cert *cert, const char *file)
{
    FILE *out;

    snprintf(cert->certificate_path, sizeof(cert->certificate_path), "%s/%s.crt", cert_folder,
             file);
    snprintf(cert->key_path, sizeof(cert->key_path), "%s/%s.key", cert_folder, file);
    CHECK((out = fopen(cert->certificate_path, "w")) && PEM_write_X509(out, cert->x509) == 1);
    fclose(out);
    CHECK((out = fopen(cert->key_path, "w")) &&
          PEM_write_PrivateKey(out, cert->key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(out);
}

/*
 * A certificate for `names` ("DNS:a.example,IP:127.0.0.1"; NULL: a CA), valid from and to so many
 * days from now, signed by `issuer` (NULL: by itself), in files `file`.crt and `file`.key.
 */
static inline void cert_make(struct cert *cert, const struct cert *issuer, const char *file,
                             const char *names, long from_days, long to_days)
{
    static long serial = 1;
    X509_NAME *subject;

    cert->key = EVP_EC_gen("P-256");
    cert->x509 = X509_new();
    CHECK(cert->key && cert->x509);
    X509_set_version(cert->x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert->x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert->x509), from_days * CERT_DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(cert->x509), to_days * CERT_DAY_S);
    X509_set_pubkey(cert->x509, cert->key);
    subject = X509_get_subject_name(cert->x509);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)file, -1, -1, 0);
    X509_set_issuer_name(cert->x509, issuer ? X509_get_subject_name(issuer->x509) : subject);
    if (names)
        cert_extend(cert->x509, NID_subject_alt_name, names);
    else
        cert_extend(cert->x509, NID_basic_constraints, "critical,CA:TRUE");
    CHECK(X509_sign(cert->x509, issuer ? issuer->key : cert->key, EVP_sha256()) > 0);
    cert_write(cert, file);
}

static inline void cert_release(struct cert *cert)
{
    EVP_PKEY_free(cert->key);
    X509_free(cert->x509);
}

#endif
