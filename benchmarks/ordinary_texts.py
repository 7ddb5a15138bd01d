# ruff: noqa: E501, S608 - long lines and queries are what such texts have
"""Generate 1,000 ordinary texts that look like secrets but hold none: 50 kinds, 20 texts each."""

import base64
import json
import random
import string
import uuid
from collections.abc import Callable, Iterator

HEX = "0123456789abcdef"
ALNUM = string.ascii_letters + string.digits
B58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
REPOS = ["torvalds/linux", "python/cpython", "pallets/flask", "rust-lang/rust", "facebook/react", "numpy/numpy"]
PKGS = ["lodash", "left-pad", "chalk", "semver", "debug", "esbuild", "postcss", "minimist", "yargs-parser", "ws"]
PYPKGS = ["requests", "numpy", "pydantic", "attrs", "urllib3", "click", "rich", "httpx", "pillow", "certifi"]
FILES = ["README.md", "src/main.rs", "lib/auth.py", "index.js", "setup.cfg", "docs/api-keys.md", "data/train.csv"]
FOODS = ["lentil soup", "sourdough bread", "mushroom risotto", "shakshuka", "apple crumble", "dal makhani"]
SERVICES = ["checkout", "billing", "search-api", "auth-service", "image-resizer", "notification-worker"]
NAMES = [
    "OPENAI_API_KEY",
    "GITHUB_TOKEN",
    "STRIPE_SECRET_KEY",
    "DB_PASSWORD",
    "JWT_SECRET",
    "SLACK_BOT_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "SENDGRID_API_KEY",
    "HF_TOKEN",
    "ANTHROPIC_API_KEY",
]
VARS = ["api_key", "token", "password", "secret", "access_token", "client_secret", "auth_token", "private_key"]
HOLDERS = [
    "YOUR_API_KEY",
    "<token>",
    "xxxx",
    "changeme",
    "your-secret-here",
    "REPLACE_ME",
    "<YOUR_TOKEN>",
    "********",
    "xxxxxxxxxxxxxxxxxxxxxxxx",
    "your_password",
    "...",
    "TODO",
    "<redacted>",
    "[REDACTED]",
]
Rng = random.Random


def hx(rng: Rng, n: int) -> str:
    """Return n hex digits."""
    return "".join(rng.choices(HEX, k=n))


def an(rng: Rng, n: int, alphabet: str = ALNUM) -> str:
    """Return n characters of the alphabet."""
    return "".join(rng.choices(alphabet, k=n))


def b64(rng: Rng, n: int) -> str:
    """Return the base64 of n random bytes."""
    return base64.b64encode(rng.randbytes(n)).decode()


def uid(rng: Rng) -> str:
    """Return a random UUID."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def dg(rng: Rng, n: int) -> str:
    """Return n digits, the first not zero."""
    return rng.choice("123456789") + an(rng, n - 1, string.digits)


def ts(rng: Rng) -> str:
    """Return a time stamp."""
    return f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}Z"


def git_sentence(rng: Rng) -> str:
    h = hx(rng, 40)
    return rng.choice(
        [
            f"The regression was introduced in {h}, see the discussion on the mailing list.",
            f"I bisected it: {h} is the first bad commit.",
            f'Revert "Use the new token parser"\n\nThis reverts commit {h}.',
            f"Please cherry-pick {h[:12]} and {hx(rng, 40)} onto release/2.{rng.randint(1, 9)}.",
            f"HEAD is now at {h[:7]} Rotate the API key on expiry (#{rng.randint(100, 9999)})",
        ]
    )


def git_log(rng: Rng) -> str:
    return "\n".join(
        f"commit {hx(rng, 40)}\nAuthor: Ana Ruiz <ana@example.com>\nDate:   Mon Mar {rng.randint(1, 28)} 10:1{rng.randint(0, 9)}:00 2026 +0100\n\n    "
        + rng.choice(
            ["Fix password reset mail", "Add secret rotation docs", "Bump version", "Remove unused token field"]
        )
        for _ in range(rng.randint(2, 4))
    )


def git_diff(rng: Rng) -> str:
    f = rng.choice(FILES)
    return (
        f"diff --git a/{f} b/{f}\nindex {hx(rng, rng.choice([7, 11, 40]))}..{hx(rng, rng.choice([7, 11]))} 100644\n--- a/{f}\n+++ b/{f}\n"
        f"@@ -{rng.randint(1, 90)},6 +{rng.randint(1, 90)},7 @@\n-token = None\n+token = load_token(settings)\n"
    )


def sums(rng: Rng) -> str:
    n = rng.choice([32, 40, 64, 96, 128])
    return "\n".join(
        f"{hx(rng, n)}  {rng.choice(['*', ''])}{rng.choice(['ubuntu-24.04', 'model', 'backup', 'node-v22'])}-{i}.{rng.choice(['iso', 'tar.gz', 'zip'])}"
        for i in range(rng.randint(2, 6))
    )


def md5_prose(rng: Rng) -> str:
    return rng.choice(
        [
            f"The MD5 of the file is {hx(rng, 32)}, which matches the published one.",
            f"sha256 mismatch: expected {hx(rng, 64)}, got {hx(rng, 64)}",
            f">>> hashlib.sha1(b'hello {rng.randint(1, 99)}').hexdigest()\n'{hx(rng, 40)}'",
            f"SHA-512/256 digest: {hx(rng, 64).upper()}",
        ]
    )


def uuids(rng: Rng) -> str:
    return rng.choice(
        [
            f"Order {uid(rng)} was refunded; the replacement is {uid(rng)}.",
            "\n".join(uid(rng) for _ in range(rng.randint(3, 6))),
            f"GET /v1/users/{uid(rng)}/projects/{uid(rng)} 200 {rng.randint(3, 90)}ms",
            f"PARTUUID={uid(rng)} /boot vfat defaults 0 2",
            f'<Guid("{uid(rng).upper()}")> Public Class Parser',
        ]
    )


def png(rng: Rng) -> str:
    return rng.choice(
        [
            '<img alt="logo" src="data:image/png;base64,{}">',
            "![plot](data:image/png;base64,{})",
            "background: url(data:image/png;base64,{}) no-repeat;",
        ]
    ).format("iVBORw0KGgoAAAANSUhEUgAA" + b64(rng, rng.randint(120, 600)))


def svg_font(rng: Rng) -> str:
    return rng.choice(
        [
            f"@font-face{{font-family:Inter;src:url(data:font/woff2;base64,d09GMgABAAAAA{b64(rng, 300)}) format('woff2')}}",
            f'<image href="data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD{b64(rng, 301)}"/>',
            f"data:audio/wav;base64,UklGR{b64(rng, 240)}",
        ]
    )


def package_lock(rng: Rng) -> str:
    p, v = rng.choice(PKGS), f"{rng.randint(1, 9)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}"
    return json.dumps(
        {
            f"node_modules/{p}": {
                "version": v,
                "resolved": f"https://registry.npmjs.org/{p}/-/{p}-{v}.tgz",
                "integrity": "sha512-" + b64(rng, 64),
                "license": "MIT",
            }
        },
        indent=2,
    )


def yarn_lock(rng: Rng) -> str:
    out = []
    for p in rng.sample(PKGS, rng.randint(1, 3)):
        v = f"{rng.randint(1, 9)}.{rng.randint(0, 9)}.{rng.randint(0, 9)}"
        out.append(
            f'{p}@^{v}:\n  version "{v}"\n  resolved "https://registry.yarnpkg.com/{p}/-/{p}-{v}.tgz#{hx(rng, 40)}"\n  integrity sha512-{b64(rng, 64)}'
        )
    return "\n\n".join(out)


def poetry_lock(rng: Rng) -> str:
    p = rng.choice(PYPKGS)
    return (
        f'[[package]]\nname = "{p}"\nversion = "{rng.randint(1, 9)}.{rng.randint(0, 30)}.0"\nfiles = [\n'
        + "".join(
            f'    {{file = "{p}-2.{i}.0-py3-none-any.whl", hash = "sha256:{hx(rng, 64)}"}},\n'
            for i in range(rng.randint(1, 4))
        )
        + f']\n\n[metadata]\ncontent-hash = "{hx(rng, 64)}"'
    )


def pip_hashes(rng: Rng) -> str:
    return "\n".join(
        f"{p}==2.{rng.randint(0, 30)}.0 \\\n    --hash=sha256:{hx(rng, 64)} \\\n    --hash=sha256:{hx(rng, 64)}"
        for p in rng.sample(PYPKGS, 2)
    )


def cargo_lock(rng: Rng) -> str:
    return "\n\n".join(
        f'[[package]]\nname = "{p}"\nversion = "1.0.{rng.randint(1, 200)}"\nsource = "registry+https://github.com/rust-lang/crates.io-index"\nchecksum = "{hx(rng, 64)}"'
        for p in rng.sample(["serde", "secrecy", "tokio", "password-hash", "jsonwebtoken", "rand"], 2)
    )


def go_sum(rng: Rng) -> str:
    return "\n".join(
        f"{m} v{rng.randint(0, 2)}.{rng.randint(0, 40)}.0{s} h1:{b64(rng, 32)}"
        for m in rng.sample(
            ["github.com/golang-jwt/jwt/v5", "golang.org/x/crypto", "github.com/spf13/cobra", "google.golang.org/grpc"],
            2,
        )
        for s in ("", "/go.mod")
    )


def python_env(rng: Rng) -> str:
    n, v = rng.choice(NAMES), rng.choice(VARS)
    return rng.choice(
        [
            f'{v} = os.environ["{n}"]\nclient = Client({v}={v})',
            f'{v} = os.getenv("{n}", "")\nif not {v}:\n    raise SystemExit("{n} is not set")',
            f"{v} = getpass.getpass('{v}: ')",
            f'class Settings(BaseSettings):\n    {v}: SecretStr = Field(..., alias="{n}")',
            f"def check({v}: str, hashed: bytes) -> bool:\n    return bcrypt.checkpw({v}.encode(), hashed)",
            f"{v} = secrets.token_urlsafe(32)\nsession['{v}'] = {v}",
            f"parser.add_argument('--{v.replace('_', '-')}', help='the {v} to use')",
            f"self.{v} = config.get('auth', '{v}')\nlogger.debug('loaded %s', '{v}')",
        ]
    )


def python_placeholder(rng: Rng) -> str:
    n, v, h = rng.choice(NAMES), rng.choice(VARS), rng.choice(HOLDERS)
    return rng.choice(
        [
            f'{v} = "{h}"  # put yours here',
            f'client = OpenAI(api_key="{h}")',
            f"{n}={h}",
            f'export {n}="{h}"',
            f"config = {{'{v}': '{h}', 'timeout': {rng.randint(5, 60)}}}",
        ]
    )


def js_env(rng: Rng) -> str:
    n, v = rng.choice(NAMES), rng.choice(["apiKey", "accessToken", "clientSecret", "password", "authToken"])
    return rng.choice(
        [
            f"const {v} = process.env.{n};\nif (!{v}) throw new Error('{n} missing');",
            f"const client = new Client({{ {v}: process.env.{n} ?? '' }});",
            f"export const {v} = import.meta.env.VITE_{n};",
            f"headers: {{ Authorization: `Bearer ${{{v}}}` }}",
            f'<input type="password" name="{v}" autocomplete="current-password" placeholder="{v}" />',
            f"const {{ {v}, setAccessTokenExpirationListener }} = useAuthenticationContext();",
            f"localStorage.removeItem('{v}');",
        ]
    )


def go_sql(rng: Rng) -> str:
    n, v = rng.choice(NAMES), rng.choice(VARS)
    return rng.choice(
        [
            f'{v} := os.Getenv("{n}")\nif {v} == "" {{\n\tlog.Fatal("missing {n}")\n}}',
            f"SELECT id, {v}_hash FROM users WHERE {v}_expires_at < now() LIMIT {rng.randint(5, 500)};",
            f"ALTER TABLE accounts ADD COLUMN {v} VARCHAR({rng.choice([64, 128, 255])}) NOT NULL DEFAULT '';",
            f"UPDATE sessions SET {v} = NULL WHERE user_id = $1;",
            f'type Config struct {{\n\t{v.title().replace("_", "")} string `env:"{n},required"`\n}}',
            f"CREATE USER app WITH PASSWORD :'{v}';",
        ]
    )


def yaml_vars(rng: Rng) -> str:
    n, v = rng.choice(NAMES), rng.choice(VARS)
    return rng.choice(
        [
            f"env:\n  {n}: ${{{{ secrets.{n} }}}}",
            f"environment:\n  - {n}=${{{n}}}",
            f"{v}: ${{{n}:?must be set}}",
            f"{v}: !vault-ref kv/data/app#{v}",
            f"- name: {n}\n  valueFrom:\n    secretKeyRef:\n      name: {rng.choice(SERVICES)}-secrets\n      key: {v}",
            f'variable "{v}" {{\n  type      = string\n  sensitive = true\n}}',
            f"DATABASE_URL=postgres://${{DB_USER}}:${{DB_PASSWORD}}@db:5432/{rng.choice(SERVICES)}",
            f'curl -H "Authorization: Bearer ${n}" https://api.example.com/v1/{rng.choice(SERVICES)}',
        ]
    )


def docs_placeholder(rng: Rng) -> str:
    return (
        rng.choice(
            [
                "Replace `sk-...` with your own key, which you find under Settings > API keys.",
                "Keys start with `ghp_`, `gho_` or `github_pat_`; the scanner looks at the prefix only.",
                "Authorization: Bearer <your-access-token>",
                'curl -u "username:$PASSWORD" https://example.com/api/v' + str(rng.randint(1, 9)),
                "mongodb+srv://<user>:<password>@cluster0.example.mongodb.net/test",
                "postgresql://user:<password>@localhost/mydb",
                "A JWT has three parts, header.payload.signature, each in base64url.",
                "Set `Authorization: Basic <base64(user:password)>` on every request.",
                "-----BEGIN RSA PRIVATE KEY----- is the first line of a PKCS#1 file; the body follows in base64.",
            ]
        )
        + f" (step {rng.randint(1, 12)} of {rng.randint(12, 20)})"
    )


def video_urls(rng: Rng) -> str:
    i = an(rng, 11, ALNUM + "-_")
    return rng.choice(
        [
            f"Watch https://www.youtube.com/watch?v={i}&list=PL{an(rng, 32, ALNUM + '-_')}&t={rng.randint(10, 900)}s",
            f"https://youtu.be/{i}?si={an(rng, 16)}",
            f"https://open.spotify.com/track/{an(rng, 22)}",
            f"https://vimeo.com/{dg(rng, 9)}",
        ]
    )


def docs_urls(rng: Rng) -> str:
    return rng.choice(
        [
            f"https://docs.google.com/document/d/1{an(rng, 43, ALNUM + '-_')}/edit?usp=sharing",
            f"The sheet: https://docs.google.com/spreadsheets/d/1{an(rng, 43, ALNUM + '-_')}/edit#gid={dg(rng, 9)}",
            f"https://drive.google.com/file/d/1{an(rng, 32, ALNUM + '-_')}/view",
            f"https://www.notion.so/acme/Roadmap-{hx(rng, 32)}",
            f"https://www.figma.com/file/{an(rng, 22)}/Design-System?node-id=12%3A{rng.randint(10, 999)}",
        ]
    )


def s3_urls(rng: Rng) -> str:
    return rng.choice(
        [
            f"https://my-bucket.s3.eu-west-1.amazonaws.com/uploads/{uid(rng)}/{hx(rng, 32)}.jpg",
            f"s3://datalake/raw/dt=2026-0{rng.randint(1, 9)}-11/part-{rng.randint(0, 99):05}-{uid(rng)}-c000.snappy.parquet",
            f"https://storage.googleapis.com/public-models/{an(rng, 20)}/weights.bin",
            f"https://i.imgur.com/{an(rng, 7)}.png",
            f"https://images.unsplash.com/photo-{dg(rng, 13)}-{hx(rng, 12)}?w=800",
        ]
    )


def commit_urls(rng: Rng) -> str:
    r = rng.choice(REPOS)
    return rng.choice(
        [
            f"https://github.com/{r}/commit/{hx(rng, 40)}",
            f"https://github.com/{r}/blob/{hx(rng, 40)}/{rng.choice(FILES)}#L{rng.randint(1, 900)}",
            f"uses: actions/checkout@{hx(rng, 40)} # v4.{rng.randint(0, 9)}",
            f"https://gist.github.com/octocat/{hx(rng, 32)}",
            f"pip install git+https://github.com/{r}.git@{hx(rng, 40)}",
        ]
    )


def colors(rng: Rng) -> str:
    return rng.choice([":root {{ {} }}", "palette = [{}]", "Try this palette: {}"]).format(
        " ".join(f"--c{i}: #{hx(rng, rng.choice([6, 8]))};" for i in range(rng.randint(3, 8)))
    )


def isbn_phone(rng: Rng) -> str:
    return rng.choice(
        [
            f"ISBN 978-{rng.randint(0, 9)}-{dg(rng, 3)}-{dg(rng, 5)}-{rng.randint(0, 9)} (hardcover)",
            f"Call +44 20 {dg(rng, 4)} {dg(rng, 4)} or +1-{dg(rng, 3)}-555-{dg(rng, 4)}.",
            f"EAN {dg(rng, 13)}, batch {dg(rng, 8)}",
            f"Tracking number 1Z{an(rng, 6, string.ascii_uppercase + string.digits)}{dg(rng, 10)}",
            f"IBAN example format: DE{dg(rng, 2)} {dg(rng, 4)} {dg(rng, 4)} {dg(rng, 4)} {dg(rng, 4)} {dg(rng, 2)}",
        ]
    )


def chemistry(rng: Rng) -> str:
    k = an(rng, 14, string.ascii_uppercase)
    return rng.choice(
        [
            f"InChIKey={k}-UHFFFAOYSA-N belongs to the (2S,3R)-isomer.",
            f"1-(4-chlorophenyl)-{rng.randint(2, 9)}-methyl-3-{{[4-(trifluoromethyl)phenyl]sulfonyl}}pyrrolidine-2,5-dione",
            "CC(C)Cc1ccc(cc1)C(C)C(=O)O" + f" has a molar mass of {rng.randint(150, 400)}.28 g/mol",
            f"CAS {dg(rng, 5)}-{dg(rng, 2)}-{rng.randint(0, 9)}, methylchloroisothiazolinone and polytetrafluoroethylene",
            "N[C@@H](CC1=CNC2=CC=CC=C12)C(O)=O" + f" at {rng.randint(1, 9)} mM",
        ]
    )


def dna(rng: Rng) -> str:
    return rng.choice(
        [
            f">NM_{dg(rng, 9)}.{rng.randint(1, 5)} Homo sapiens mRNA\n"
            + "\n".join(an(rng, 70, "ACGT") for _ in range(rng.randint(2, 5))),
            f"Forward primer: 5'-{an(rng, 22, 'ACGT')}-3'",
            f">sp|P{dg(rng, 5)}|TOKEN_HUMAN\nM{an(rng, 59, 'ACDEFGHIKLMNPQRSTVWY')}\n{an(rng, 60, 'ACDEFGHIKLMNPQRSTVWY')}",
        ]
    )


def latex(rng: Rng) -> str:
    return rng.choice(
        [
            rf"\begin{{equation}}\label{{eq:k{rng.randint(1, 99)}}} \mathcal{{L}}_{{\text{{token}}}} = -\sum_{{t=1}}^{{T}} \log p_\theta(x_t \mid x_{{<t}}) \end{{equation}}",
            rf"\cite{{vaswani{rng.randint(2015, 2026)}attention,devlin2019bert}} \quad \hat{{\beta}}_{{{rng.randint(1, 9)}}} = (X^\top X)^{{-1}}X^\top y",
            rf"Let $K_{{pub}} = g^{{k_{{priv}}}} \bmod p$ with secret $k_{{priv}} \in \mathbb{{Z}}_{{{rng.randint(11, 997)}}}$.",
        ]
    )


def css_hashes(rng: Rng) -> str:
    return rng.choice(
        [
            f'<div class="css-{an(rng, 6)} sc-{an(rng, 8)} {an(rng, 6)}">',
            f".Button_root__{an(rng, 5)}.Button_primary__{an(rng, 5)}{{padding:{rng.randint(1, 20)}px}}",
            f'<script src="/_next/static/chunks/main-{hx(rng, 16)}.js" defer></script>',
            f'<link rel="stylesheet" href="/assets/app.{hx(rng, 20)}.css" integrity="sha384-{b64(rng, 48)}" crossorigin="anonymous">',
        ]
    )


def minified(rng: Rng) -> str:
    a, b, c = an(rng, 1, string.ascii_lowercase), an(rng, 2, string.ascii_letters), an(rng, 1, string.ascii_uppercase)
    return rng.choice(
        [
            f'!function({a},{b}){{"object"==typeof exports?module.exports={b}():{a}.{c}={b}()}}(this,function(){{var t={rng.randint(1, 99)};return{{token:t,password:void 0}}}});',
            f'const {b}={a}=>{a}.token?({a}.headers.authorization="Bearer "+{a}.token,{a}):{{...{a},secret:null}};export{{{b} as default}};//# sourceMappingURL=index-{an(rng, 8)}.js.map',
            f'webpackJsonp([{rng.randint(1, 30)}],{{"{an(rng, 4)}":function(e,t,n){{"use strict";n.d(t,"{a}",function(){{return {c}}})}}}});',
        ]
    )


def html_table(rng: Rng) -> str:
    return (
        "<table><tr><th>Key</th><th>Value</th></tr>"
        + "".join(
            f'<tr><td id="row-{hx(rng, 8)}">{rng.choice(VARS)}</td><td>{rng.choice(["required", "optional", "string", "see docs"])}</td></tr>'
            for _ in range(rng.randint(2, 5))
        )
        + "</table>"
    )


def dois(rng: Rng) -> str:
    return rng.choice(
        [
            f"doi:10.{dg(rng, 4)}/j.cell.2026.{dg(rng, 2)}.{dg(rng, 3)}",
            f"arXiv:26{rng.randint(1, 12):02}.{dg(rng, 5)}v{rng.randint(1, 4)}, https://doi.org/10.1038/s41586-026-{dg(rng, 5)}-{rng.choice('0123456789xwyz')}",
            f"PMID {dg(rng, 8)}; S2CID {dg(rng, 9)}; ORCID 0000-000{rng.randint(1, 3)}-{dg(rng, 4)}-{dg(rng, 4)}",
        ]
    )


def etags(rng: Rng) -> str:
    return rng.choice(
        [
            f'HTTP/2 200\netag: W/"{hx(rng, rng.choice([8, 32]))}"\ncf-ray: {hx(rng, 16)}-LIS\nx-request-id: {uid(rng)}\ncontent-length: {dg(rng, 5)}',
            f'ETag: "{hx(rng, 32)}-{rng.randint(1, 20)}"\nx-amz-request-id: {an(rng, 16, string.ascii_uppercase + string.digits)}\nx-amz-id-2: {b64(rng, 57)}',
            f'If-None-Match: "{b64(rng, 20)}"',
        ]
    )


def blockchain(rng: Rng) -> str:
    return rng.choice(
        [
            f"Sent 0.{dg(rng, 2)} ETH to 0x{hx(rng, 40)} in transaction 0x{hx(rng, 64)}.",
            f"The genesis-style address 1{an(rng, 33, B58)} received {rng.randint(1, 50)} BTC.",
            f"bc1q{an(rng, 38, 'qpzry9x8gf2tvdw0s3jn54khce6mua7l')}",
            f"Block {dg(rng, 8)} hash: 0x{hx(rng, 64)}, parent 0x{hx(rng, 64)}",
            f"Solana mint {an(rng, 44, B58)} (USDC-like token, {rng.randint(2, 9)} decimals)",
        ]
    )


def digests(rng: Rng) -> str:
    return rng.choice(
        [
            f"FROM python:3.12-slim@sha256:{hx(rng, 64)}",
            f"docker.io/library/redis:7.{rng.randint(0, 9)}-alpine\nDigest: sha256:{hx(rng, 64)}\nStatus: Downloaded newer image",
            f"CONTAINER ID   IMAGE     NAMES\n{hx(rng, 12)}   nginx     web\n{hx(rng, 12)}   {hx(rng, 12)}     elated_hopper",
            f"pod/{rng.choice(SERVICES)}-{hx(rng, 9)}-{an(rng, 5, 'bcdfghjklmnpqrstvwxz2456789')}   1/1   Running",
        ]
    )


def image_tags(rng: Rng) -> str:
    return rng.choice(
        [
            f"ghcr.io/acme/{rng.choice(SERVICES)}:sha-{hx(rng, 40)}",
            f"image: 123456789012.dkr.ecr.us-east-1.amazonaws.com/{rng.choice(SERVICES)}:main-{hx(rng, 8)}-{dg(rng, 10)}",
            f"docker pull registry.example.com/{rng.choice(SERVICES)}/secret-rotator:v{rng.randint(1, 9)}.{rng.randint(0, 9)}.{rng.randint(0, 9)}-rc.{rng.randint(1, 9)}",
        ]
    )


def password_prose(rng: Rng) -> str:
    return rng.choice(
        [
            "Set your password to something strong: use 12 characters, mix upper and lower case, and never reuse it.",
            "Password: must contain at least one digit, one symbol and one capital letter.",
            "API keys are long random strings; treat an API key like a password and never commit it.",
            "The secret: add a pinch of salt to the coffee.",
            "Forgot your password? Click the link and choose a new password within 24 hours.",
            "Your API key is shown only once; if you lose the key, create another and delete the old one.",
            "A passphrase such as four unrelated dictionary words is easier to remember than a short password.",
            "Access token: a short-lived credential that the authorization server issues. Refresh token: a long-lived one.",
            "The admin asked for the password; I told her that the password is in the vault.",
        ]
    ) + rng.choice(
        [
            "",
            f" Rotate it every {rng.randint(30, 180)} days.",
            f" See section {rng.randint(1, 9)}.{rng.randint(1, 9)}.",
            f" That is rule {rng.randint(1, 40)}.",
        ]
    )


def tokenization(rng: Rng) -> str:
    ws = rng.sample(
        ["the", "cat", "sat", "##ing", "\u0120world", "un", "happi", "ness", "<pad>", "[CLS]", "<|endoftext|>"], 5
    )
    return rng.choice(
        [
            ", ".join(f"token: {w}" for w in ws),
            f"token_ids = {[rng.randint(1, 50000) for _ in range(9)]}",
            f"usage: prompt_tokens={dg(rng, 4)}, completion_tokens={dg(rng, 3)}, max_tokens=4096",
            "\n".join(f"token={w!r} id={rng.randint(1, 50000)} logprob=-{rng.random():.6f}" for w in ws),
            'eos_token: "</s>", bos_token: "<s>", ' + f"vocab_size: {dg(rng, 5)}",
        ]
    )


def csv_rows(rng: Rng) -> str:
    return "id,customer_id,sku,amount\n" + "\n".join(
        f"{dg(rng, 10)},cus_no_{dg(rng, 6)},{an(rng, 3, string.ascii_uppercase)}-{dg(rng, 5)}-{an(rng, 2, string.ascii_uppercase)},{rng.randint(1, 999)}.{rng.randint(10, 99)}"
        for _ in range(rng.randint(3, 7))
    )


def network(rng: Rng) -> str:
    ip = ".".join(str(rng.randint(1, 254)) for _ in range(4))
    mac = ":".join(hx(rng, 2) for _ in range(6))
    return rng.choice(
        [
            f"2: eth0: link/ether {mac} brd ff:ff:ff:ff:ff:ff\n    inet {ip}/24",
            f"inet6 2001:db8:{hx(rng, 4)}:{hx(rng, 4)}:{hx(rng, 4)}:{hx(rng, 4)}:{hx(rng, 4)}:{hx(rng, 4)}/64",
            f'{ip} - - [{ts(rng)}] "POST /password/reset HTTP/1.1" 302 -',
            f"sshd[{dg(rng, 5)}]: Failed password for invalid user admin from {ip} port {dg(rng, 5)} ssh2",
            f"Wi-Fi BSSID {mac.upper()}, channel {rng.randint(1, 13)}",
        ]
    )


def cookie_consent(rng: Rng) -> str:
    return (
        rng.choice(
            [
                "We use cookies and similar tokens to remember your choices.",
                "The _ga cookie keeps a client identifier for two years; the PHPSESSID cookie ends with the session.",
                "Essential cookies such as XSRF-TOKEN and sessionid are needed to sign in with your password.",
            ]
        )
        + f" You can withdraw consent at any time; see our policy, version {rng.randint(1, 9)}.{rng.randint(0, 9)}, and our {rng.randint(20, 900)} partners."
    )


def jupyter(rng: Rng) -> str:
    return json.dumps(
        {
            "cell_type": "code",
            "execution_count": rng.randint(1, 99),
            "id": hx(rng, 8),
            "outputs": [
                {
                    "data": {
                        "image/png": "iVBORw0KGgoAAAANSUhEUgAA" + b64(rng, rng.randint(150, 450)) + "\n",
                        "text/plain": [f"<Figure size {rng.randint(4, 12)}00x480 with 1 Axes>"],
                    },
                    "output_type": "display_data",
                }
            ],
            "source": ["plt.plot(loss)\n"],
        },
        indent=1,
    )


def ssh_public(rng: Rng) -> str:
    ed = "AAAAC3NzaC1lZDI1NTE5AAAAI" + an(rng, 43, ALNUM + "+/")
    return rng.choice(
        [
            f"ssh-ed25519 {ed} ana@laptop",
            f"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ{an(rng, 338, ALNUM + '+/')} deploy@ci",
            f"github.com ssh-ed25519 {ed}",
            f"SHA256:{b64(rng, 32).rstrip('=')} root@host (ED25519)",
            f"MD5:{':'.join(hx(rng, 2) for _ in range(16))}",
        ]
    )


def public_pem(rng: Rng) -> str:
    kind, n = rng.choice(
        [("CERTIFICATE", 900), ("PUBLIC KEY", 294), ("CERTIFICATE REQUEST", 600), ("PGP SIGNATURE", 300)]
    )
    body = ("iQIz" if "PGP" in kind else "MII") + b64(rng, n)
    return (
        f"-----BEGIN {kind}-----\n"
        + "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
        + f"\n-----END {kind}-----"
    )


def trace_json(rng: Rng) -> str:
    return rng.choice(
        [
            json.dumps(
                {
                    "level": "info",
                    "ts": ts(rng),
                    "service": rng.choice(SERVICES),
                    "trace_id": hx(rng, 32),
                    "span_id": hx(rng, 16),
                    "msg": "token refreshed",
                }
            ),
            json.dumps(
                {
                    "session_id": uid(rng),
                    "request_id": "req_" + hx(rng, 24),
                    "status": 200,
                    "token_count": rng.randint(10, 5000),
                }
            ),
            f"traceparent: 00-{hx(rng, 32)}-{hx(rng, 16)}-01",
            json.dumps(
                {
                    "id": "chatcmpl-" + an(rng, 29),
                    "object": "chat.completion",
                    "created": int(dg(rng, 10)),
                    "system_fingerprint": "fp_" + hx(rng, 10),
                }
            ),
        ]
    )


def camel_case(rng: Rng) -> str:
    ws = [
        "Abstract",
        "Authentication",
        "Token",
        "Factory",
        "Bean",
        "Password",
        "Encoder",
        "Credential",
        "Provider",
        "Secret",
        "Key",
        "Rotation",
        "Handler",
        "Configuration",
        "Listener",
    ]
    name = "".join(rng.sample(ws, rng.randint(5, 8)))
    return rng.choice(
        [
            f"public class {name}Impl extends {''.join(rng.sample(ws, 4))} implements {name} {{",
            f"org.springframework.security.core.{name}Exception: Bad credentials",
            f"The class {name} delegates to {''.join(rng.sample(ws, 6))}.",
            f"kSec{name}AttributeAccessibleAfterFirstUnlockThisDeviceOnly",
            f"TEST_F({name}Test, ReturnsFalseWhen{''.join(rng.sample(ws, 3))}IsEmpty)",
        ]
    )


def chinese(rng: Rng) -> str:
    return (
        rng.choice(
            [
                "\u8bf7\u8bbe\u7f6e\u4e00\u4e2a\u5f3a\u5bc6\u7801\uff1a\u81f3\u5c11\u5341\u4e8c\u4f4d\uff0c\u5305\u542b\u6570\u5b57\u548c\u7b26\u53f7\u3002",
                "\u4ed6\u628a\u94a5\u5319\u653e\u5728\u95e8\u53e3\u7684\u82b1\u76c6\u4e0b\u9762\uff0c\u7136\u540e\u53bb\u4e86\u56fe\u4e66\u9986\u3002",
                "API \u5bc6\u94a5\uff08API key\uff09\u7528\u6765\u8bc6\u522b\u8c03\u7528\u8005\uff0c\u4e0d\u8981\u5199\u5728\u4ee3\u7801\u91cc\u3002",
                "\u4eca\u5929\u7684\u5929\u6c14\u5f88\u597d\uff0c\u6211\u4eec\u53bb\u516c\u56ed\u6563\u6b65\u5427\u3002",
                "\u4ee4\u724c\u6876\u7b97\u6cd5\uff08token bucket\uff09\u662f\u4e00\u79cd\u9650\u6d41\u65b9\u6cd5\u3002",
            ]
        )
        + f"\uff08\u7b2c{rng.randint(1, 99)}\u9875\uff09"
    )


def german(rng: Rng) -> str:
    return (
        rng.choice(
            [
                "Die Donaudampfschifffahrtsgesellschaftskapit\u00e4nsm\u00fctze lag neben dem Rindfleischetikettierungs\u00fcberwachungsaufgaben\u00fcbertragungsgesetz.",
                "Das Passwort: Bitte w\u00e4hlen Sie mindestens zw\u00f6lf Zeichen.",
                "Kraftfahrzeughaftpflichtversicherungsbedingungen und Grundst\u00fccksverkehrsgenehmigungszust\u00e4ndigkeits\u00fcbertragungsverordnung",
                "Der Schl\u00fcssel f\u00fcr die Schnittstellenauthentifizierung wird im Benutzerkontoeinstellungsdialog erzeugt.",
            ]
        )
        + f" (Abschnitt {rng.randint(1, 60)}.{rng.randint(1, 9)})"
    )


def cooking(rng: Rng) -> str:
    f = rng.choice(FOODS)
    return rng.choice(
        [
            f"To make {f}, heat {rng.randint(1, 4)} tablespoons of oil, add the onions and cook for {rng.randint(5, 15)} minutes.",
            f"The secret to good {f}: patience, and {rng.randint(5, 30)} g of butter at the end.",
            f"**{f.title()}** serves {rng.randint(2, 8)}.\n\n1. Preheat the oven to {rng.randint(160, 230)} \u00b0C.\n2. Mix everything.\n3. Bake until golden.",
            f"The key: use fresh herbs in the {f}, about {rng.randint(2, 9)} sprigs.",
        ]
    )


def model_answer(rng: Rng) -> str:
    return (
        rng.choice(
            [
                "I can't help with finding someone's password, but I can explain how password managers work.",
                "Use a base64 decoder: `aGVsbG8gd29ybGQ=` is `hello world`.",
                "OAuth 2.0 separates the client_id (public) from the client_secret (confidential).",
                "A binary search needs O(log n) steps; each token is compared at most once.",
                "Store the key in a secrets manager and read it at start-up; do not print the key to the log.",
            ]
        )
        + " "
        + rng.choice(
            [
                "Would you like an example in Rust?",
                f"That takes about {rng.randint(2, 40)} minutes.",
                f"I would start with step {rng.randint(1, 9)}.",
                f"Here are {rng.randint(2, 9)} more ideas.",
            ]
        )
    )


def stack_trace(rng: Rng) -> str:
    return (
        f'Traceback (most recent call last):\n  File "/app/{rng.choice(FILES)}", line {rng.randint(1, 900)}, in login\n    token = auth.refresh(secret=settings.secret)\n'
        + rng.choice(
            [
                "openai.AuthenticationError: Error code: 401 - Incorrect API key provided: sk-****************",
                f"KeyError: '{rng.choice(NAMES)}'",
                "ValueError: password must not be empty",
                f"jwt.exceptions.ExpiredSignatureError at 0x{hx(rng, 12)}",
            ]
        )
    )


def ml_names(rng: Rng) -> str:
    return rng.choice(
        [
            f"models--meta-llama--Llama-3.1-8B-Instruct/snapshots/{hx(rng, 40)}/model-0000{rng.randint(1, 4)}-of-00004.safetensors",
            f"wandb: Run data is saved locally in wandb/run-20260{rng.randint(1, 9)}11_{dg(rng, 6)}-{an(rng, 8, string.ascii_lowercase + string.digits)}",
            f"claude-sonnet-4-{rng.randint(1, 9)}-20260{rng.randint(1, 9)}14 and gpt-4o-mini-2024-07-18 were compared on {dg(rng, 4)} prompts",
            f"checkpoint sha: {hx(rng, 64)} step={dg(rng, 6)} loss={rng.random():.8f}",
        ]
    )


def json_ids(rng: Rng) -> str:
    return rng.choice(
        [
            json.dumps({"_id": {"$oid": hx(rng, 24)}, "slug": "token-economy", "views": int(dg(rng, 5))}),
            json.dumps({"tweet_id": dg(rng, 19), "author_id": dg(rng, 18), "text": "gm"}),
            json.dumps(
                {
                    "event": "evt_count",
                    "ulid": "01J" + an(rng, 23, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"),
                    "cid": "bafybeig" + an(rng, 51, "abcdefghijklmnopqrstuvwxyz234567"),
                }
            ),
            json.dumps({"nanoid": an(rng, 21, ALNUM + "-_"), "ksuid": an(rng, 27), "kind": "page"}),
        ]
    )


def schema_code(rng: Rng) -> str:
    v = rng.choice(VARS)
    return rng.choice(
        [
            json.dumps(
                {
                    "type": "object",
                    "required": [v],
                    "properties": {
                        v: {"type": "string", "minLength": rng.randint(8, 40), "description": f"The {v} of the account"}
                    },
                }
            ),
            f"message Login {{\n  string username = 1;\n  string {v} = {rng.randint(2, 9)};\n}}",
            f"interface Credentials {{ {v}: string; expiresIn?: number /* {rng.randint(60, 9999)} */ }}",
            f"parameters:\n  - name: {v}\n    in: header\n    required: true\n    schema: {{ type: string, maxLength: {rng.randint(16, 256)} }}",
            f"fn set_{v}(&mut self, {v}: impl Into<String>) -> &mut Self {{ self.{v} = Some({v}.into()); self }} // line {rng.randint(1, 999)}",
        ]
    )


KINDS: list[Callable[[Rng], str]] = [
    git_sentence,
    git_log,
    git_diff,
    sums,
    md5_prose,
    uuids,
    png,
    svg_font,
    package_lock,
    yarn_lock,
    poetry_lock,
    pip_hashes,
    cargo_lock,
    go_sum,
    python_env,
    python_placeholder,
    js_env,
    go_sql,
    yaml_vars,
    docs_placeholder,
    video_urls,
    docs_urls,
    s3_urls,
    commit_urls,
    colors,
    isbn_phone,
    chemistry,
    dna,
    latex,
    css_hashes,
    minified,
    html_table,
    dois,
    etags,
    blockchain,
    digests,
    image_tags,
    password_prose,
    tokenization,
    csv_rows,
    network,
    cookie_consent,
    jupyter,
    ssh_public,
    public_pem,
    trace_json,
    camel_case,
    chinese,
    german,
    cooking,
    model_answer,
    stack_trace,
    ml_names,
    json_ids,
    schema_code,
]


def labelled(rng: Rng, count: int = 1000) -> Iterator[tuple[str, str]]:
    """Yield count pairs of a kind's name and a text, the kinds in turn, no text twice."""
    seen: set[str] = set()
    for i in range(count):
        kind = KINDS[i % len(KINDS)]
        text = kind(rng)
        for _ in range(500):
            if text not in seen:
                break
            text = kind(rng)
        seen.add(text)
        yield kind.__name__, text


def ordinary(rng: Rng) -> Iterator[str]:
    """Yield 1,000 ordinary texts without a secret."""
    return (text for _, text in labelled(rng))
