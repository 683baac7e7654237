# Installs those of Debian's packages that are not installed: install.sh NAME...
set -e
missing= sudo=
for name; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing="$missing $name"
done
[ -n "$missing" ] || exit 0
echo "installing$missing"
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
# RUNLEVEL keeps packages from starting services.
$sudo env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
